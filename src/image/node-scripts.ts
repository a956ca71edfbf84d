/** Marks names in a node's image store as made by us; only such names are ever taken away. */
export const OWNED = 'clparity.dev/managed=true';

/** Parts of a survey's output are between lines of this. */
export const SEPARATOR = '=====';

/**
 * Everything about a node's images in one go, for a round trip into a node costs more than the questions: architecture,
 * kubelet's snapshotter, whether its ctr can import by itself (--local; the transfer service, ctr's other way from
 * containerd 2.0 on, takes more than twice as long), kubelet's images, containerd's names, and the unpacked layers.
 * The snapshotter is part of the folder's name: …/io.containerd.snapshotter.v1.overlayfs.
 */
export const SURVEY = `
uname -m
snapshotter=$(crictl imagefsinfo -o json | sed -n 's/.*snapshotter\\.v1\\.\\([A-Za-z0-9._-]*\\)".*/\\1/p' | head -n 1)
echo "$snapshotter"
if ctr images import --help | grep -q -e '--local'; then echo --local; else echo; fi
echo ${SEPARATOR}
crictl images -o json
echo ${SEPARATOR}
ctr -n k8s.io images ls
echo ${SEPARATOR}
[ -z "$snapshotter" ] || ctr -n k8s.io snapshots --snapshotter "$snapshotter" ls
`;

/**
 * Takes in an image from standard input under a staging name, gives it its names, and surveys the node. Arguments: a
 * name for the process that imports, by which it can be found; snapshotter; --local or nothing; the staging name; then
 * lists apart by spaces, of names to give to the staged image, of names to mark as ours and of names that kubelet is to
 * see; the rest is one more archive in base64, which holds production's manifests with their names.
 *
 * Names come last: until every layer is unpacked, only the staging name exists, so that a node that dies in the middle
 * has no half image under a name that a pod may ask for. Kubelet's side follows containerd's events, a moment later.
 */
export const LOAD = `
token=$1 snapshotter=$2 local=$3 staging=$4 tags=$5 own=$6 names=$7
shift 7
import() { (exec -a "$token" ctr -n k8s.io images import $local --snapshotter "$snapshotter" - >/dev/null); }
import
if [ $# -gt 0 ]; then printf %s "$@" | base64 -d | import; fi
for name in $tags; do ctr -n k8s.io images tag --force "$staging" "$name" >/dev/null; done
ctr -n k8s.io images rm "$staging" >/dev/null
for name in $own; do ctr -n k8s.io images label "$name" ${OWNED} >/dev/null; done
for name in $names; do
  for try in $(seq 100); do crictl inspecti "$name" >/dev/null 2>&1 && break; sleep 0.1; done
done
${SURVEY}`;
