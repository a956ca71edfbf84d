"""Write an OCI image layout as a tar.
usage: mkoci.py OUT.tar < spec.json
spec: [{"name": ref, "layers": [dir, ...], "config": {OCI image config}}, ...]
A directory used by several images becomes one shared blob. Layers are plain
tar (not gzip) with fixed times and owners, so that an outer long-range
compressor can see through them and the same input gives the same digests."""
import hashlib, io, json, os, sys, tarfile, tempfile

spec, out = json.load(sys.stdin), tarfile.open(sys.argv[1], 'w')
written = set()

def info(name, size=0):
    t = tarfile.TarInfo(name)
    t.size, t.mode = size, 0o644
    return t

def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    if digest not in written:
        out.addfile(info('blobs/sha256/' + digest, len(data)), io.BytesIO(data))
        written.add(digest)
    return {'digest': 'sha256:' + digest, 'size': len(data)}

layers = {}

def layer(path):
    if path not in layers:
        with tempfile.TemporaryFile(dir=os.environ.get('TMPDIR', '/var/tmp')) as f:
            with tarfile.open(fileobj=f, mode='w', format=tarfile.GNU_FORMAT) as t:
                for base, dirs, files in os.walk(path):
                    dirs.sort()
                    rel = os.path.relpath(base, path)
                    links = [d for d in dirs if os.path.islink(os.path.join(base, d))]
                    for n in ([''] if rel != '.' else []) + sorted(files + links):
                        full = os.path.join(base, n) if n else base
                        ti = t.gettarinfo(full, os.path.relpath(full, path))
                        ti.uid = ti.gid = ti.mtime = 0
                        ti.uname = ti.gname = ''
                        if ti.isreg():
                            with open(full, 'rb') as src:
                                t.addfile(ti, src)
                        else:
                            t.addfile(ti)
            size = f.tell()
            f.seek(0)
            h = hashlib.sha256()
            while chunk := f.read(1 << 20):
                h.update(chunk)
            digest = h.hexdigest()
            if digest not in written:
                f.seek(0)
                out.addfile(info('blobs/sha256/' + digest, size), f)
                written.add(digest)
            layers[path] = {'mediaType': 'application/vnd.oci.image.layer.v1.tar',
                            'digest': 'sha256:' + digest, 'size': size}
    return layers[path]

manifests = []
for image in spec:
    ls = [layer(p) for p in image['layers']]
    config = {'architecture': 'amd64', 'os': 'linux', 'created': '2026-01-01T00:00:00Z',
              'config': image['config'],
              'rootfs': {'type': 'layers', 'diff_ids': [l['digest'] for l in ls]},
              'history': [{'created': '2026-01-01T00:00:00Z', 'created_by': 'node image recipe'} for _ in ls]}
    c = blob(json.dumps(config, sort_keys=True).encode())
    m = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
         'config': {'mediaType': 'application/vnd.oci.image.config.v1+json', **c}, 'layers': ls}
    d = blob(json.dumps(m, sort_keys=True).encode())
    manifests.append({'mediaType': m['mediaType'], **d,
                      'platform': {'architecture': 'amd64', 'os': 'linux'},
                      'annotations': {'io.containerd.image.name': image['name'],
                                      'org.opencontainers.image.ref.name': image['name'].rsplit(':', 1)[1]}})
for name, data in (('index.json', {'schemaVersion': 2, 'manifests': manifests}),
                   ('oci-layout', {'imageLayoutVersion': '1.0.0'})):
    data = json.dumps(data).encode()
    out.addfile(info(name, len(data)), io.BytesIO(data))
out.close()
