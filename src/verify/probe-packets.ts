/** The datagrams of probes, as prober-scripts.ts makes them as well. */

/** A query that CoreDNS answers by itself (`kubernetes.default.svc.cluster.local`, A), and anything for other ports. */
export function udpPayload(port: number): Buffer {
  if (port !== 53) return Buffer.from('clparity');
  const labels = ['kubernetes', 'default', 'svc', 'cluster', 'local', ''];
  const name = labels.map((label) => String.fromCharCode(label.length) + label).join('');
  return Buffer.concat([
    Buffer.from([0x63, 0x6c, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    Buffer.from(name, 'latin1'),
    Buffer.from([0, 1, 0, 1]),
  ]);
}

/** The port that a probe's SCTP packet comes from, by its number. */
export const sctpFrom = (id: number): number => 40_000 + (id % 20_000);

/** An SCTP packet with an INIT chunk (RFC 9260, 3.3.2). */
export function sctpInit(from: number, to: number): Buffer {
  const packet = Buffer.alloc(32);
  packet.writeUInt16BE(from, 0);
  packet.writeUInt16BE(to, 2);
  packet.writeUInt8(1, 12);
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(0x636c7061, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt32BE(1, 28);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
