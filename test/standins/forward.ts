// Preloaded into a program in a network of its own: what CLPARITY_FORWARD names (PORT=SOCKET, …) is on its loopback too, as a
// server on the internet is reached from Windows and from a distro alike.
import { connect, createServer } from 'node:net';

for (const pair of (process.env.CLPARITY_FORWARD ?? '').split(',').filter((pair) => pair !== '')) {
  const [port, path = ''] = pair.split('=');
  const server = createServer((socket) => {
    const other = connect(path);
    socket.on('error', () => other.destroy());
    other.on('error', () => socket.destroy());
    socket.pipe(other).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
  server.unref();
}
