import { LOCAL_IMPORT } from './node-runtime.ts';

/** Marks names in a node's image store as made by us; only such names are ever taken away. */
export const OWNED = 'clparity.dev/managed=true';

/** Parts of a survey's output are between lines of this. */
export const SEPARATOR = '=====';

/**
 * Everything about a node's images in one go, for a round trip into a node costs more than the questions, and all of them
 * at once: architecture, kubelet's snapshotter, whether it reaches this process at $feeder (host/port), kubelet's images,
 * what the names in $names, apart by spaces, stand for, and the unpacked layers (the functions are of node-runtime.ts).
 * Listing names without a filter would take as long as all the rest.
 */
export const SURVEY = `
exec 6< <([ -z "$feeder" ] || timeout 1 bash -c "exec 7<>/dev/tcp/$feeder && echo yes" 2>/dev/null || true)
filters=; for name in $names; do filters="$filters name==$name"; done
exec 3< <(kubelet_images); kubelet=$!
exec 4< <(ctr -n k8s.io images ls \${filters:-name==none}); named=$!
uname -m
snapshotter=$(snapshotter)
echo "$snapshotter"
cat <&6
echo ${SEPARATOR}
cat <&3; wait $kubelet
echo ${SEPARATOR}
cat <&4; wait $named
echo ${SEPARATOR}
[ -z "$snapshotter" ] || ctr -n k8s.io snapshots --snapshotter "$snapshotter" ls
`;

/**
 * Takes in an image, from $feeder where that is set and else from standard input, under a staging name, gives it its names,
 * and surveys the node. Arguments: feeder; a name for the process that imports, by which it can be found and by which the
 * feeder knows it; snapshotter; the staging name; then lists apart by spaces, of names to give to the staged image, of
 * names to mark as ours and of names that kubelet is to see, and the digest of the config that it is to see under them;
 * the rest is one more archive in base64, which holds production's manifests with their names.
 *
 * Names come last: until every layer is unpacked, only the staging name exists, so that a node that dies in the middle
 * has no half image under a name that a pod may ask for. Kubelet's side follows containerd's events, a moment later; the
 * list in which it has followed is the survey's, for each question to it takes ten times as long as one to containerd.
 */
export const LOAD = `
feeder=$1 token=$2 snapshotter=$3 staging=$4 tags=$5 own=$6 names=$7 config=$8
shift 8
${LOCAL_IMPORT}
import() { (exec -a "$token" "\${ctr[@]}" -n k8s.io images import $local --snapshotter "$snapshotter" - >/dev/null); }
if [ -n "$feeder" ]; then
  exec 7<>/dev/tcp/$feeder; echo "$token" >&7; import <&7; exec 7>&-
else import; fi
if [ $# -gt 0 ]; then printf %s "$@" | base64 -d | import; fi
for name in $tags; do ctr -n k8s.io images tag --force "$staging" "$name" >/dev/null; done
ctr -n k8s.io images rm "$staging" >/dev/null & removing=$!
for name in $own; do ctr -n k8s.io images label "$name" ${OWNED} >/dev/null; done
snapshotter() { echo "$snapshotter"; }
for try in $(seq 100); do
  list=$(set -o pipefail; kubelet_images | tr -d ' \\n\\t' | sed 's/"id":/\\n&/g')
  image=$(printf %s "$list" | grep -F '"id":"'"$config"'"' || true)
  for name in $names; do
    case $image in *'"'"$name"'"'*) ;; *) sleep 0.1; continue 2 ;; esac
  done
  break
done
kubelet_images() { printf %s "$list"; }
wait $removing
${SURVEY}`;
