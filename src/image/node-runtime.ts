import { type LocalCluster, type NodeTools, USUAL_TOOLS } from '../cluster/provider.ts';

/** What containerd's CRI plugin puts on an image name that kubelet sees (containerd, internal/cri/labels). */
const SEEN = 'io.cri-containerd.image=managed';

/**
 * What the scripts of node-scripts.ts ask a node's container runtime by: ctr as a function, and as an array for exec;
 * `snapshotter`, `kubelet_images` (as `crictl images -o json` prints them; those of $names at least),
 * `kubelet_containers`, stopped ones too (what of `crictl ps -a -o json` is read here), and `running_sandboxes`, an ID a line.
 */
export function runtimeFunctions({ tools = USUAL_TOOLS }: Pick<LocalCluster, 'tools'>): string {
  return `
ctr=(${tools.ctr.map(quoted).join(' ')})
ctr() { command "\${ctr[@]}" "$@"; }
${tools.crictl ? withCrictl(tools.crictl) : BY_LABELS}`;
}

/** By itself it waits two seconds for an answer (cri-tools, cmd/crictl/main.go): too few on a busy machine. */
export function crictlFunction(crictl: NonNullable<NodeTools['crictl']>): string {
  return `crictl() { command ${crictl.map(quoted).join(' ')} --timeout 60s "$@"; }`;
}

/** `running_sandboxes`, for any shell, where there is crictl. */
const RUNNING_BY_CRICTL = 'running_sandboxes() { crictl pods --state ready -q; }';

/** The same by ctr alone: a sandbox runs for as long as its task does. */
const RUNNING_BY_CTR = `
running_sandboxes() {
  local running id
  running=" $(ctr -n k8s.io tasks ls | sed -n 's/^\\([^ ]*\\)  *[0-9][0-9]*  *RUNNING.*/\\1/p' | tr '\\n' ' ')" || return
  for id in $(ctr -n k8s.io containers ls -q 'labels."io.cri-containerd.kind"==sandbox'); do
    case $running in *" $id "*) echo "$id" ;; esac
  done
}`;

/** kubelet's snapshotter, for any shell. */
export const SNAPSHOTTER = `
snapshotter() { crictl imagefsinfo -o json | sed -n 's/.*snapshotter\\.v1\\.\\([A-Za-z0-9._-]*\\)".*/\\1/p' | head -n 1; }
`;

/**
 * The option of ctr's import in `$local`, for any shell: it imports by itself where it can. The transfer service, its
 * other way from containerd 2.0 on, takes more than twice as long.
 */
export const LOCAL_IMPORT = 'local=$(ctr images import --help | grep -o -e --local | head -n 1 || true)';

function withCrictl(crictl: NonNullable<NodeTools['crictl']>): string {
  return `
${crictlFunction(crictl)}
${SNAPSHOTTER}
kubelet_images() { crictl images -o json; }
kubelet_containers() { crictl ps -a -o json; }
${RUNNING_BY_CRICTL}
`;
}

/**
 * By containerd alone (MicroK8s has no crictl): the CRI plugin labels each name that it has taken in, and kubelet's
 * snapshotter is the one of any of its containers. The config's digest, which is CRI's ID of an image, is read from the
 * manifest, through the index where there is one: of an index only what the node has is there.
 */
const BY_LABELS = `
snapshotter() {
  local id
  for id in $(ctr -n k8s.io containers ls -q | head -n 1); do
    ctr -n k8s.io containers info "$id" | sed -n 's/^ *"Snapshotter": "\\([^"]*\\)".*/\\1/p'
  done
}
config_of() {
  local text digest
  text=$(ctr -n k8s.io content get "$1" 2>/dev/null | tr -d ' \\n\\t') || return 0
  case $text in
    *'"config":{'*) printf %s "$text" | sed -n 's/.*"config":{[^}]*"digest":"\\(sha256:[0-9a-f]*\\)".*/\\1/p' ;;
    *'"manifests":['*)
      for digest in $(printf %s "\${text#*manifests}" | grep -o '"digest":"sha256:[0-9a-f]\\{64\\}"' | cut -d'"' -f4); do
        config_of "$digest"
      done | head -n 1 ;;
  esac
}
kubelet_images() {
  local ref digest rest filters= name comma=
  for name in $names; do filters="$filters name==$name"; done
  printf '{"images":['
  while read -r ref _ digest rest; do
    case $rest in *${SEEN}*) printf '%s{"id":"%s","repoTags":["%s"]}' "$comma" "$(config_of "$digest")" "$ref"; comma=, ;; esac
  done < <(ctr -n k8s.io images ls \${filters:-name==none})
  printf ']}'
}
kubelet_containers() {
  local id info key comma=
  value() { printf %s "$info" | sed -n "s/^ *\\"$1\\": \\"\\([^\\"]*\\)\\".*/\\1/p" | head -n 1; }
  printf '{"containers":['
  for id in $(ctr -n k8s.io containers ls -q 'labels."io.cri-containerd.kind"==container'); do
    if ! info=$(ctr -n k8s.io containers info "$id"); then
      case " $(ctr -n k8s.io containers ls -q | tr '\\n' ' ') " in *" $id "*) return 1 ;; esac
      continue
    fi
    printf '%s{"imageRef":"%s",' "$comma" "$(value Image)"; comma=,
    printf '"podSandboxId":"%s","labels":{' "$(value io.kubernetes.cri.sandbox-id)"
    printf '"io.kubernetes.pod.namespace":"%s",' "$(value io.kubernetes.pod.namespace)"
    printf '"io.kubernetes.pod.name":"%s"}}' "$(value io.kubernetes.pod.name)"
  done
  printf ']}'
}
${RUNNING_BY_CTR}
`;

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * Prints the running sandboxes of a node's pods: by crictl as `inspectp` does, else as `ctr containers info` does, one
 * object after another.
 */
export function sandboxScript({ tools = USUAL_TOOLS }: Pick<LocalCluster, 'tools'>): string {
  if (tools.crictl) {
    return `${crictlFunction(tools.crictl)}
${RUNNING_BY_CRICTL}
ids=$(running_sandboxes) && { [ -z "$ids" ] || crictl inspectp -o json $ids; }`;
  }
  return `ctr() { ${tools.ctr.map(quoted).join(' ')} "$@"; }
${RUNNING_BY_CTR}
ids=$(running_sandboxes) || exit
for id in $ids; do ctr -n k8s.io containers info "$id" || exit; done`;
}
