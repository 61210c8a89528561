import { readFileSync } from 'node:fs';
import { ChannelCredentials, ServerCredentials, type ChannelOptions } from '@grpc/grpc-js';
import type { TlsFiles } from '@godwit/runtime/base-config';

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
// Ping after this much silence; a peer that doesn't answer in time is gone. Long streams notice a frozen peer so.
const KEEPALIVE_MS = 5_000;
const KEEPALIVE_TIMEOUT_MS = 2_000;
// The default of 64 KiB makes a sender of full batches wait for a round trip after each.
const FLOW_CONTROL_WINDOW_BYTES = 1024 * 1024;

const COMMON: ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
};

// No grpc.max_connection_age_ms, which would make clients look names up again: after its GOAWAY the next keepalive ping
// of either side fails in Node's http2 and takes every open stream down with it (grpc-js 1.14, Node 20). Names that
// may stand for several replicas are looked up by the clock instead (refreshed-dns.ts).
export const serverChannelOptions: ChannelOptions = COMMON;

export const clientChannelOptions: ChannelOptions = {
  ...COMMON,
  'grpc.keepalive_permit_without_calls': 1,
  // Retries are ours: at the next replica, within a budget.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.dns_min_time_between_resolutions_ms': 1_000,
  'grpc.client_idle_timeout_ms': 24 * 3_600_000,
};

/** To a name that may stand for several replicas (a headless Service): a connection to each, calls to one after the other. */
export const sharedNameChannelOptions: ChannelOptions = {
  ...clientChannelOptions,
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }], methodConfig: [] }),
};

/** With TLS files both sides show certificates; without, plain text and the fleet token. */
export const serverCredentials = (tls: TlsFiles | undefined): ServerCredentials =>
  tls === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(
        readFileSync(tls.ca),
        [{ cert_chain: readFileSync(tls.cert), private_key: readFileSync(tls.key) }],
        true,
      );

export const channelCredentials = (tls: TlsFiles | undefined): ChannelCredentials =>
  tls === undefined
    ? ChannelCredentials.createInsecure()
    : ChannelCredentials.createSsl(readFileSync(tls.ca), readFileSync(tls.key), readFileSync(tls.cert));
