import { Provider, type PushOutcome } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { Outcome, ProviderName } from '../domain/model.js';

const NUMBERS: Readonly<Record<ProviderName, Provider>> = {
  apns: Provider.PROVIDER_APNS,
  fcm: Provider.PROVIDER_FCM,
  wns: Provider.PROVIDER_WNS,
  web_push: Provider.PROVIDER_WEB_PUSH,
  log: Provider.PROVIDER_LOG,
};

const NAMES: ReadonlyMap<number, ProviderName> = new Map([
  [Provider.PROVIDER_APNS, 'apns'],
  [Provider.PROVIDER_FCM, 'fcm'],
  [Provider.PROVIDER_WNS, 'wns'],
  [Provider.PROVIDER_WEB_PUSH, 'web_push'],
  [Provider.PROVIDER_LOG, 'log'],
]);

export const readProvider = (provider: number): ProviderName => {
  const name = NAMES.get(provider);
  if (name === undefined) throw invalidArgument('provider', 'provider must be APNS, FCM, WNS, WEB_PUSH or LOG');
  return name;
};

export const outcomeMessage = (outcome: Outcome): PushOutcome => ({
  deviceId: outcome.deviceId,
  conversationId: outcome.conversationId,
  seq: outcome.seq,
  atMs: outcome.at,
  provider: outcome.provider === undefined ? Provider.PROVIDER_UNSPECIFIED : NUMBERS[outcome.provider],
  outcome: outcome.outcome,
  detail: outcome.detail,
});
