import type { ConnectionOptions } from '@nats-io/transport-node';

/** Where and as whom to connect, as the client wants it. */
export type NatsTarget = Pick<ConnectionOptions, 'servers' | 'user' | 'pass' | 'token' | 'tls'>;

const ENTRY = /^(?:([a-z]+):\/\/)?(?:([^:@/]*)(?::([^@/]*))?@)?([^/]+)\/?$/;

/**
 * `nats://[user:password@ or token@]host:port`, several separated by commas: the client itself ignores credentials in
 * URLs. Those of the first are used for all; `tls://` asks for TLS.
 */
export const natsTarget = (url: string): NatsTarget => {
  const entries = url.split(',').map((entry) => ENTRY.exec(entry.trim()));
  const [, scheme, user, pass] = entries[0] ?? [];
  return {
    servers: entries.flatMap((entry) => entry?.[4] ?? []),
    ...(scheme === 'tls' ? { tls: {} } : {}),
    ...credentialsOf(user, pass),
  };
};

const credentialsOf = (user = '', pass?: string): Partial<NatsTarget> => {
  if (user === '') return {};
  if (pass === undefined) return { token: decodeURIComponent(user) };
  return { user: decodeURIComponent(user), pass: decodeURIComponent(pass) };
};
