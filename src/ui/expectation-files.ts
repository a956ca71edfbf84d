/** The files of expected connections: a name of ours, so that no other YAML is read for it. */
export const EXPECTATIONS = '**/*.clparity.{yaml,yml,json}';
