/**
 * The base address of an edge as the SDK keeps it: `ws://host:port` or `wss://host`, without a slash at its end. Takes
 * http:// and https:// for the same edges.
 * @throws TypeError when it is neither
 */
export function edgeAddress(text: string): string {
  const address = text.trim().replace(/\/+$/, '').replace(/^http/i, 'ws');
  if (!/^wss?:\/\/[^/?#\s]+/i.test(address)) {
    throw new TypeError(`${JSON.stringify(text)} is not the address of an edge, like ws://host:port or wss://host`);
  }
  return address;
}

/** @throws TypeError when there is none, or one is not an address */
export function edgeAddresses(edges: readonly string[]): string[] {
  if (edges.length === 0) throw new TypeError('a client needs the address of at least one edge');
  return [...new Set(edges.map(edgeAddress))];
}

/** Where an edge answers HTTP. */
export function httpAddress(edge: string): string {
  return edge.replace(/^ws/i, 'http');
}
