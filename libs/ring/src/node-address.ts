/** One replica of a service: its name on the ring and where it listens. */
export interface NodeAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

// A StatefulSet pod name, which is a DNS label.
const NAME_PATTERN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads `host:port` (IPv6 in brackets).
 * @throws RangeError with a message fit for the person who wrote the value
 */
export const parseHostPort = (text: string): { host: string; port: number } => {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, '$1');
  const digits = text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : NaN;
  if (host === '' || !(port >= 0 && port <= 65_535)) throw new RangeError(`"${text}" is not host:port`);
  return { host, port };
};

/**
 * Reads `name=host:port,name=host:port`.
 * @throws RangeError on a bad or repeated name, a bad address, or an empty list
 */
export const parseNodes = (text: string): readonly NodeAddress[] => {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length === 0) throw new RangeError('is empty, expected name=host:port,name=host:port');
  const seen = new Set<string>();
  return entries.map((entry) => {
    const equals = entry.indexOf('=');
    const name = entry.slice(0, Math.max(equals, 0));
    if (!NAME_PATTERN.test(name)) throw new RangeError(`"${entry}" is not name=host:port with a DNS label as its name`);
    if (seen.has(name)) throw new RangeError(`names "${name}" twice`);
    seen.add(name);
    return { name, ...parseHostPort(entry.slice(equals + 1)) };
  });
};

/** `host:port` as gRPC wants it. */
export const formatHostPort = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(':') ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
