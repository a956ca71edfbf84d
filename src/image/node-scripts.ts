/** Marks names in a node's image store as made by us; only such names are ever taken away. */
export const OWNED = 'clparity.dev/managed=true';

/** Parts of a survey's output are between lines of this. */
export const SEPARATOR = '=====';

/** The line after a survey's last part, where the script goes on. */
export const SURVEYED = '===== surveyed';

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
 * All that is known of a node's images and of what is made from them, in one go: the names with our mark, all names,
 * kubelet's containers, the sandboxes that run, and its images (those that we brought, and those of its containers, at
 * least).
 */
export const EVERYTHING = `
owned=$(ctr -n k8s.io images ls 'labels."${OWNED.replace('=', '"==')}')
all=$(ctr -n k8s.io images ls)
containers=$(kubelet_containers)
running=$(running_sandboxes)
names=$(
  while read -r ref _; do [ "$ref" = REF ] || echo "$ref"; done <<<"$owned"
  grep -o '"imageRef": *"[^"]*"' <<<"$containers" | cut -d'"' -f4 | sort -u || true
)
printf '%s\\n' "$owned" ${SEPARATOR} "$all" ${SEPARATOR} "$containers" ${SEPARATOR} "$running" ${SEPARATOR}
kubelet_images
`;

/**
 * Surveys a node, then stays there and takes in an image, if it is told of one: a program is started in a node once, for
 * that alone takes a twentieth of a second of a processor. It is told by lines of standard input: by which way the bytes
 * come, `feeder` or `input` (the rest of it), or nothing where none are to; a name for the process that imports, by which
 * it can be found and by which the feeder knows it; the staging name; the image's only name, which the archive has too, or
 * nothing; lists apart by spaces, of names to give to the staged
 * image, of names to mark as ours and of names that kubelet is to see; the digest of the config that it is to see under
 * them; one more archive in base64, which holds production's manifests with their names, or nothing. Then kubelet's images
 * are printed. That all layers are unpacked and all names stand for what was sent, the programs' exit codes tell.
 *
 * Names come last: until every layer is unpacked, only the staging name exists, so that a node that dies in the middle
 * has no half image under a name that a pod may ask for. Kubelet's side follows containerd's events, a moment later; each
 * question to it takes ten times as long as one to containerd.
 *
 * ctr imports by itself where it knows `--local`: the transfer service, its other way from containerd 2.0 on, takes more
 * than twice as long for many bytes. 1.6 has no such option and no other way. A small image with one name goes the other
 * way where that can mark it (`--label`): the service names an image once all is unpacked, so one program does it all.
 */
export const VISIT = `${SURVEY}
echo '${SURVEYED}'
read -r way || exit 0
[ -n "$way" ] || exit 0
for part in token staging direct tags own names config metadata; do IFS= read -r "$part"; done
import() {
  said=$(exec -a "$token" "\${ctr[@]}" -n k8s.io images import --snapshotter "$snapshotter" "$@" - 2>&1 >/dev/null) && return
  case $said in *'provided but not defined'*) return 3 ;; esac
  printf '%s\\n' "$said" >&2
  exit 1
}
by_itself() { import --local "$@" || import "$@"; }
take_in() {
  if [ -n "$direct" ] && import --label ${OWNED} --base-name "$direct"; then staging= tags= own=; return; fi
  by_itself --base-name "$staging"
}
if [ "$way" = feeder ]; then
  exec 7<>/dev/tcp/$feeder; echo "$token" >&7; take_in <&7; exec 7>&-
else take_in; fi
[ -z "$metadata" ] || base64 -d <<<"$metadata" | by_itself
[ -z "$tags" ] || ctr -n k8s.io images tag --force "$staging" $tags >/dev/null
{ [ -z "$staging" ] || ctr -n k8s.io images rm "$staging" >/dev/null; } & removing=$!
for name in $own; do ctr -n k8s.io images label "$name" ${OWNED} >/dev/null; done
for try in $(seq 100); do
  list=$(kubelet_images)
  image=$(printf %s "$list" | tr -d ' \\n\\t' | sed 's/"id":/\\n&/g' | grep -F '"id":"'"$config"'"' || true)
  for name in $names; do
    case $image in *'"'"$name"'"'*) ;; *) sleep 0.1; continue 2 ;; esac
  done
  break
done
wait $removing
printf %s "$list"
`;
