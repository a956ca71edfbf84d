/**
 * The style of the editor's page: colours are the theme's (https://code.visualstudio.com/api/references/theme-color), so
 * that light, dark and high contrast are what the user chose. Beside every colour stands a word or a shape.
 */
export const VIEW_STYLE = `:root{--cell:22px;--name:290px;--head:210px;--line:var(--vscode-contrastBorder,var(--vscode-panel-border,#767676));--shade:var(--vscode-editorWidget-background,transparent)}
body{font:var(--vscode-font-size,13px)/1.5 var(--vscode-font-family,system-ui);color:var(--vscode-foreground,#1f1f1f);background:var(--vscode-editor-background,#fff);padding:0 20px 40px;max-width:120em}
h1{font-size:1.5em}h2{font-size:1.2em;margin:1.6em 0 .4em}h3{font-size:1.05em;margin:1em 0 .2em}h4{font-size:1em;margin:.8em 0 .1em}ul{margin:.2em 0;padding-left:1.6em}
table{border-collapse:collapse}summary{white-space:nowrap}th,td{border:1px solid var(--line);padding:.25em .6em;text-align:left;vertical-align:top}
button,input,select{font:inherit}button{color:var(--vscode-button-secondaryForeground,#1f1f1f);background:var(--vscode-button-secondaryBackground,#e5e5e5);border:1px solid var(--vscode-button-border,var(--line));padding:.15em .7em;cursor:pointer}
button:hover{background:var(--vscode-button-secondaryHoverBackground,#ccc)}button.place{background:none;border:0;padding:0;color:var(--vscode-textLink-foreground,#005fb8);text-decoration:underline}
input,select{color:var(--vscode-input-foreground,#1f1f1f);background:var(--vscode-input-background,#fff);border:1px solid var(--vscode-input-border,var(--line));padding:.15em .4em}
:focus-visible{outline:2px solid var(--vscode-focusBorder,#005fb8);outline-offset:1px}
.tools{display:flex;flex-wrap:wrap;gap:.5em;align-items:end;margin:.6em 0}.tools label{display:flex;flex-direction:column}
pre{background:var(--vscode-textCodeBlock-background,#f3f3f3);padding:.5em;overflow:auto;font-family:var(--vscode-editor-font-family,monospace)}
.what{overflow-wrap:anywhere}.state::before{margin-right:.4em}.equal::before{content:"\\2713"}.differs::before{content:"\\2717"}.cannot::before,.skipped::before{content:"\\2212"}.unknown::before{content:"?"}
.differs{font-weight:bold}.grid{position:relative;overflow:auto;max-height:65vh;border:1px solid var(--line);width:fit-content;max-width:100%}
.canvas{position:relative}.head{position:sticky;top:0;height:var(--head);z-index:2;background:var(--vscode-editor-background,#fff)}
.row{position:absolute;left:0;height:var(--cell)}.corner,.name{position:sticky;left:0;width:var(--name);box-sizing:border-box;padding:0 6px;background:var(--vscode-editor-background,#fff);z-index:1;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.corner{height:100%;display:flex;align-items:end}.name{height:var(--cell);line-height:var(--cell)}
.column{position:absolute;bottom:0;width:var(--cell);height:var(--head);writing-mode:vertical-rl;transform:rotate(180deg);overflow:hidden;text-overflow:ellipsis;white-space:nowrap;line-height:var(--cell)}
.cell{position:absolute;top:0;width:var(--cell);height:var(--cell);line-height:var(--cell);box-sizing:border-box;text-align:center;border:1px solid var(--line);cursor:pointer}
.cell.all{background:color-mix(in srgb,var(--vscode-charts-green,#388a34) 22%,transparent)}.cell.some{background:color-mix(in srgb,var(--vscode-charts-blue,#1a85ff) 16%,transparent)}.cell.none{background:color-mix(in srgb,var(--vscode-charts-red,#e51400) 22%,transparent)}.cell.differing{font-weight:bold;border:2px solid var(--vscode-editorError-foreground,#c00)}.cell.active{outline:3px solid var(--vscode-focusBorder,#005fb8);outline-offset:-1px;z-index:1}
.row.current .name,.column.current{font-weight:bold;text-decoration:underline}.wide{overflow:auto}
.wide svg>rect{fill:none}.wide svg text,.wide svg circle,.wide svg marker path{fill:var(--vscode-foreground,#1f1f1f)}.wide svg>path{stroke:var(--vscode-foreground,#1f1f1f)}
.busy{opacity:.6}.detail:empty{display:none}.detail{border-left:3px solid var(--line);padding:0 1em;margin:1em 0}`;
