/** What the report's page tells the editor. */
export type FromPage =
  | { readonly type: 'explain'; readonly from: string; readonly to: string; readonly port?: AskedPort }
  | { readonly type: 'open'; readonly file: string; readonly line?: number }
  | { readonly type: 'export'; readonly format: string };

export interface AskedPort {
  readonly protocol: string;
  readonly port: number;
}

/** What the editor tells the page. `html` was made by the core, which escapes what comes from elsewhere. */
export type ToPage = { readonly type: 'explained'; readonly html: string };
