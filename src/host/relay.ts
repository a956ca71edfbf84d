import type { Address } from './host.ts';

/** Programs that can join standard input and output to a socket, the fastest to start first. */
export const RELAYS = ['socat', 'perl', 'python3'] as const;
export type Relay = (typeof RELAYS)[number];

/** Both copy one direction each way at a time and pass a half-close on, so that neither side waits for the other. */
const PYTHON = `
import socket, sys, threading
a = sys.argv[1:]
if len(a) == 1:
    s = socket.socket(socket.AF_UNIX)
    s.connect(a[0])
else:
    s = socket.create_connection((a[0], int(a[1])))
def up():
    i = open(0, "rb", 0)
    while True:
        d = i.read(65536)
        if not d: break
        s.sendall(d)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
o = sys.stdout.buffer
while True:
    d = s.recv(65536)
    if not d: break
    o.write(d)
    o.flush()
`;
const PERL = `
use strict; use IO::Socket::INET; use IO::Socket::UNIX;
my $s = @ARGV == 1 ? IO::Socket::UNIX->new(Peer => $ARGV[0]) : IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]);
$s or die "$ARGV[0]: $!\\n";
sub copy { my ($in, $out) = @_; my $d; while (sysread($in, $d, 65536)) { for (my $n = 0; $n < length $d; ) { my $w = syswrite($out, $d, length($d) - $n, $n); defined $w or exit 1; $n += $w } } }
my $pid = fork; defined $pid or die $!;
if (!$pid) { copy(\\*STDIN, $s); shutdown($s, 1); exit 0 }
copy($s, \\*STDOUT); kill 'TERM', $pid; waitpid $pid, 0;
`;

/** The command that joins its standard input and output to a socket of the machine that it runs on. */
export function relayCommand(relay: Relay, address: Address): readonly string[] {
  const place = 'path' in address ? [address.path] : [address.host, String(address.port)];
  if (relay === 'python3') return ['python3', '-c', PYTHON, ...place];
  if (relay === 'perl') return ['perl', '-e', PERL, ...place];
  // Without -t it would cut the answer half a second after the question's end. Its addresses have a syntax of their own.
  const kind = 'path' in address ? 'UNIX-CONNECT' : 'TCP';
  return ['socat', '-t', '3600', '-', `${kind}:${place.map((part) => part.replace(/[\\,:!"']/g, '\\$&')).join(':')}`];
}
