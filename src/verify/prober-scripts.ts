/**
 * The programs that send the probes, in Perl: the one interpreter that every kind node image has (Debian's `perl-base`
 * is Essential) besides the shell. Only what perl-base holds is used; it has no Time::HiRes, so the clock is times(2).
 */

/**
 * Runs one worker for each source on stdin, at most `$most` at a time.
 * Arguments: worker program, probe timeout in seconds, seconds until it gives up, `$most`.
 * Input: a line `N KEY NETNS` opens a source, the lines after it are its probes.
 * Output: the workers' lines, and `E KEY REASON` for a worker that failed.
 */
export const DRIVER = String.raw`
use strict; use warnings;
my ($worker, $timeout, $limit, $most) = @ARGV;
alarm $limit;
$SIG{PIPE} = 'IGNORE';
my (@sources, %running);
while (my $line = <STDIN>) {
  if ($line =~ /^N (\S+) (\S+)$/) { push @sources, { key => $1, net => $2, probes => '' } }
  else { $sources[-1]{probes} .= $line }
}
sub reap {
  my $pid = wait;
  my $key = delete $running{$pid};
  syswrite STDOUT, "E\t$key\tthe prober ended with status " . ($? >> 8 || $?) . "\n" if defined $key && $?;
}
for my $source (@sources) {
  reap() while keys %running >= $most;
  pipe(my $in, my $out) or die "pipe: $!";
  my $pid = fork;
  die "fork: $!" unless defined $pid;
  if (!$pid) {
    close $out;
    $SIG{PIPE} = 'DEFAULT';
    open STDIN, '<&', $in or die "stdin: $!";
    exec 'nsenter', "--net=$source->{net}", 'perl', '-e', $worker, $timeout, $limit, $source->{key};
    die "nsenter: $!";
  }
  close $in;
  print $out $source->{probes};
  close $out;
  $running{$pid} = $source->{key};
}
reap() while %running;
`;

/**
 * Sends the probes of one source, inside its network namespace.
 * Arguments: probe timeout in seconds, seconds until it gives up, the source's key.
 * Input: lines `ID PROTOCOL ADDRESS PORT`. Output, tab-separated: `R ID VERDICT DETAIL` a probe, and `L KEY PORT` for
 * each UDP port that something listens on here.
 *
 * ICMP errors are what tells that a UDP or SCTP packet got through to a port nobody listens on, and the kernel sends
 * few of them: a burst of 6, then one a second to the same address, and 1000 a second in all with bursts of 50
 * (ip-sysctl: icmp_ratelimit, icmp_msgs_per_sec). Hence the pace of both, counted by destination.
 */
export const WORKER = String.raw`
use strict; use warnings;
use Socket qw(:DEFAULT SOCK_NONBLOCK inet_pton inet_ntop pack_sockaddr_in6 unpack_sockaddr_in6);
use Errno qw(EINPROGRESS ECONNREFUSED EAGAIN ENOPROTOOPT EPROTO);
use POSIX ();
my ($timeout, $limit, $key) = @ARGV;
alarm $limit;
my $hz = POSIX::sysconf(POSIX::_SC_CLK_TCK());
sub now { (POSIX::times())[0] / $hz }
sub tell_line { syswrite STDOUT, join("\t", @_) . "\n" }

for my $file ('/proc/net/udp', '/proc/net/udp6') {
  open my $table, '<', $file or next;
  while (<$table>) { tell_line('L', $key, hex $1) if /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 07/ }
}

my @crc = map { my $c = $_; $c = $c & 1 ? ($c >> 1) ^ 0x82F63B78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
sub crc32c { my $c = 0xFFFFFFFF; $c = ($c >> 8) ^ $crc[($c ^ $_) & 255] for unpack 'C*', $_[0]; $c ^ 0xFFFFFFFF }
sub sctp_init {
  my ($from, $to) = @_;
  my $packet = pack('nnNN', $from, $to, 0, 0) . pack('CCnNNnnN', 1, 0, 20, 0x636c7061, 65536, 1, 1, 1);
  substr($packet, 8, 4) = pack('V', crc32c($packet));
  return $packet;
}
# A name that CoreDNS answers by itself, so that no upstream's silence looks like a drop.
my $dns = pack('n6', 0x636c, 0x0100, 1, 0, 0, 0)
  . join('', map { pack 'C/a*', $_ } qw(kubernetes default svc cluster local), '') . pack('nn', 1, 1);

my (@queue, @active, %tokens, %busy, $slow);
while (<STDIN>) {
  my ($id, $protocol, $address, $port) = split;
  push @queue, { id => $id, protocol => $protocol, address => $address, port => $port };
}

# A rule that rejects (iptables' REJECT, as kube-router's) looks like a closed port to who is rejected: what tells them
# apart is an ICMP error for TCP, and for the others one that isn't from the pod itself. Raw sockets get a copy of each
# before the socket that it is about.
my (@ears, %rejected);
for my $family (AF_INET, AF_INET6) {
  socket(my $ear, $family, SOCK_RAW | SOCK_NONBLOCK, $family == AF_INET ? 1 : 58) or next;
  push @ears, { socket => $ear, v6 => $family == AF_INET6 };
}
sub hear {
  for my $ear (@ears) {
    while (defined(my $from = recv($ear->{socket}, my $data, 2048, 0))) {
      substr($data, 0, (ord($data) & 15) * 4, '') if !$ear->{v6};
      next if length($data) < 28;
      my ($type, $code) = unpack('CC', $data);
      my $inner = substr($data, 8);
      my ($by, $number, $to, $ports) = $ear->{v6}
        ? ((unpack_sockaddr_in6($from))[1], ord(substr($inner, 6, 1)), substr($inner, 24, 16), substr($inner, 40))
        : ((unpack_sockaddr_in($from))[1], ord(substr($inner, 9, 1)), substr($inner, 16, 4), substr($inner, (ord($inner) & 15) * 4));
      next if $type != ($ear->{v6} ? 1 : 3) || length($ports) < 4;
      my $prohibited = $ear->{v6} ? $code == 1 || $code == 5 || $code == 6 : $code == 9 || $code == 10 || $code == 13;
      my $refused = $code == ($ear->{v6} ? 4 : 3) && ($number == 6 || $by ne $to);
      my (undef, $port) = unpack('nn', $ports);
      $rejected{"$number $to $port"} = inet_ntop($ear->{v6} ? AF_INET6 : AF_INET, $by) if $prohibited || $refused;
    }
  }
}

sub finish {
  my ($probe, $verdict, $detail) = @_;
  tell_line('R', $probe->{id}, $verdict, $detail);
  delete $busy{$probe->{address}} if $probe->{protocol} eq 'SCTP';
  close $probe->{socket} if $probe->{socket};
  $probe->{done} = 1;
}
# Ends the probe by an errno.
sub failed {
  my ($probe, $errno) = @_;
  my $sctp = $probe->{protocol} eq 'SCTP';
  hear();
  my $by = $rejected{"$probe->{number} $probe->{ip} $probe->{port}"};
  return finish($probe, 'denied', "rejected by $by") if defined $by;
  return finish($probe, 'allowed', 'refused') if $errno == ECONNREFUSED;
  return finish($probe, 'allowed', 'protocol unreachable') if $sctp && ($errno == ENOPROTOOPT || $errno == EPROTO);
  $! = $errno;
  finish($probe, 'unreachable', "$!");
}
sub transmit {
  my ($probe, $now) = @_;
  $probe->{resend} = $now + $timeout / 3;
  failed($probe, $! + 0) unless defined send($probe->{socket}, $probe->{packet}, 0);
}
# False where it isn't its turn yet.
sub may_start {
  my ($probe, $now) = @_;
  return 1 if $probe->{protocol} eq 'TCP';
  return 0 if $slow || $busy{$probe->{address}};
  my $bucket = $tokens{$probe->{address}} ||= { left => 5, at => $now };
  my $left = $bucket->{left} + $now - $bucket->{at};
  $left = 5 if $left > 5;
  return 0 if $left < 1;
  $tokens{$probe->{address}} = { left => $left - 1, at => $now };
  return $slow = 1;
}
sub start {
  my ($probe, $now) = @_;
  my $protocol = $probe->{protocol};
  my $v6 = $probe->{address} =~ /:/;
  my $family = $v6 ? AF_INET6 : AF_INET;
  my ($type, $number) = $protocol eq 'TCP' ? (SOCK_STREAM, 6) : $protocol eq 'UDP' ? (SOCK_DGRAM, 17) : (SOCK_RAW, 132);
  my $ip = inet_pton($family, $probe->{address});
  @$probe{'number', 'ip'} = ($number, $ip);
  socket($probe->{socket}, $family, $type | SOCK_NONBLOCK, $number) or return failed($probe, $! + 0);
  my $port = $protocol eq 'SCTP' ? 0 : $probe->{port};
  my $to = $v6 ? pack_sockaddr_in6($port, $ip) : pack_sockaddr_in($port, $ip);
  $probe->{deadline} = $now + $timeout;
  push @active, $probe;
  if (!connect($probe->{socket}, $to)) { return failed($probe, $! + 0) if $! != EINPROGRESS }
  return if $protocol eq 'TCP';
  if ($protocol eq 'SCTP') {
    $busy{$probe->{address}} = 1;
    $probe->{from} = 40000 + $probe->{id} % 20000;
    $probe->{packet} = sctp_init($probe->{from}, $probe->{port});
  }
  else { $probe->{packet} = $probe->{port} == 53 ? $dns : 'clparity' }
  transmit($probe, $now);
}
# The socket has something to tell.
sub answered {
  my ($probe) = @_;
  if ($probe->{protocol} eq 'TCP') {
    my $errno = unpack('i', getsockopt($probe->{socket}, SOL_SOCKET, SO_ERROR));
    return $errno ? failed($probe, $errno) : finish($probe, 'allowed', 'connected');
  }
  my $data;
  if (!defined recv($probe->{socket}, $data, 2048, 0)) { return $! == EAGAIN ? () : failed($probe, $! + 0) }
  return finish($probe, 'allowed', 'answered') if $probe->{protocol} eq 'UDP';
  # A raw IPv4 socket hands over the IP header, an IPv6 one doesn't. 2 is INIT ACK, 6 is ABORT.
  substr($data, 0, (ord($data) & 15) * 4, '') if $probe->{address} !~ /:/;
  return if length($data) < 13;
  my ($from, $to) = unpack('nn', $data);
  my $chunk = ord(substr($data, 12, 1));
  return if $from != $probe->{port} || $to != $probe->{from} || ($chunk != 2 && $chunk != 6);
  finish($probe, 'allowed', $chunk == 2 ? 'answered' : 'refused');
}

while (@queue || @active) {
  my $now = now();
  $slow = 0;
  my ($started, @later) = (0);
  while (@queue && $started < 5 && @later < 50 && @active < 400) {
    my $probe = shift @queue;
    if (may_start($probe, $now)) { start($probe, $now); $started++ } else { push @later, $probe }
  }
  push @queue, @later;
  my ($read, $write) = ('', '');
  for my $probe (@active) {
    next if $probe->{done};
    if ($probe->{protocol} eq 'TCP') { vec($write, fileno($probe->{socket}), 1) = 1 }
    else { vec($read, fileno($probe->{socket}), 1) = 1 }
  }
  select($read, $write, undef, @queue ? 0.01 : 0.05);
  $now = now();
  for my $probe (@active) {
    next if $probe->{done};
    my $ready = vec($probe->{protocol} eq 'TCP' ? $write : $read, fileno($probe->{socket}), 1);
    answered($probe) if $ready;
    next if $probe->{done};
    if ($now >= $probe->{deadline}) { finish($probe, 'denied', '') }
    elsif ($probe->{resend} && $now >= $probe->{resend}) { transmit($probe, $now) }
  }
  @active = grep { !$_->{done} } @active;
}
`;
