import { experimental, type ChannelOptions } from '@grpc/grpc-js';

type Resolver = experimental.Resolver;
type ResolverListener = experimental.ResolverListener;
type GrpcUri = experimental.GrpcUri;

/** A name is looked up this often while a channel uses it: so long may a new replica wait for its first call. */
export const DNS_REFRESH_MS = 20_000;

const SCHEME = 'refreshed-dns';

/**
 * gRPC's own DNS resolver looks a name up again only when a connection breaks, so replicas that were added would be called
 * by nobody who is there already. Servers that close connections by age (`grpc.max_connection_age_ms`) would help too, at
 * the price of the streams on them (see channel.ts).
 */
class RefreshedDnsResolver implements Resolver {
  readonly #dns: Resolver;
  #refresh: NodeJS.Timeout | undefined;

  constructor(target: GrpcUri, listener: ResolverListener, options: ChannelOptions) {
    this.#dns = experimental.createResolver({ scheme: 'dns', path: target.path }, listener, options);
  }

  static getDefaultAuthority(target: GrpcUri): string {
    return target.path;
  }

  updateResolution(): void {
    this.#dns.updateResolution();
    this.#refresh ??= setInterval(() => {
      this.#dns.updateResolution();
    }, DNS_REFRESH_MS).unref();
  }

  destroy(): void {
    clearInterval(this.#refresh);
    this.#refresh = undefined;
    this.#dns.destroy();
  }
}

experimental.registerResolver(SCHEME, RefreshedDnsResolver);

/** The target of a channel to every replica behind a name. */
export const refreshedTarget = (hostPort: string): string => `${SCHEME}:${hostPort}`;
