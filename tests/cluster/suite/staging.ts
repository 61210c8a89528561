import { waitFor } from '@godwit/testkit/wait-for';
import { STAGING } from './certificate.js';
import { kubectl, rolledOut, SERVICES } from './kubectl.js';
import type { Site } from './people.js';
import { blockOf, type } from './transcript.js';

/** Types a block of a runbook where the copy of the manifests is. */
export function typeBlock(page: string, part: string, variables: Record<string, string> = {}): Promise<string> {
  return type(blockOf(page, part), { folder: STAGING, variables });
}

async function secret(name: string, key: string): Promise<Buffer> {
  const text = await kubectl('-n', 'godwit', 'get', 'secret', name, '-o', 'json');
  const { data } = JSON.parse(text) as { data: Record<string, string> };
  return Buffer.from(data[key] ?? '', 'base64');
}

/** The fleet as an internal team finds it, that was given an API key and a certificate of the authority. */
export async function stagingSite(): Promise<Site> {
  await kubectl('apply', '--server-side', '-f', 'tests/cluster/caller.yaml');
  await kubectl('-n', 'godwit', 'wait', '--for=condition=Ready', 'certificate/caller', '--timeout=60s');
  return {
    edge: 'wss://127.0.0.1:30080',
    apiKey: (await secret('account', 'bootstrap-api-key')).toString(),
    ca: await secret('caller-tls', 'ca.crt'),
    key: await secret('caller-tls', 'tls.key'),
    cert: await secret('caller-tls', 'tls.crt'),
  };
}

/** What SeaweedFS has in a folder, as its own listing shows it: names. */
async function namesIn(folder: string): Promise<string[]> {
  const pod = '/api/v1/namespaces/godwit-data/pods/object-store-0:8888/proxy';
  const listing = await kubectl('get', '--raw', `${pod}/buckets/lake/${folder}/`);
  return [...listing.matchAll(/href="[^"]*\/([^"/?]+)\/?"/g)].map(([, name = '']) => name);
}

/** The Parquet files of facts in the bucket. */
export async function filesOfFacts(): Promise<string[]> {
  const days = (await namesIn('facts')).filter((name) => name.startsWith('dt='));
  const files = await Promise.all(days.map((day) => namesIn(`facts/${day}`)));
  return files.flat().filter((name) => name.endsWith('.parquet'));
}

export async function allRolledOut(): Promise<void> {
  for (const service of SERVICES) await rolledOut(service, 300);
  for (const store of ['mongo', 'nats', 'redis'])
    await kubectl('-n', 'godwit-data', 'rollout', 'status', `statefulset/${store}`, '--timeout=300s');
}

interface Stream {
  readonly name: string;
  readonly cluster: { readonly replicas?: readonly { readonly current: boolean; readonly lag?: number }[] };
}

interface ServerReport {
  readonly account_details?: readonly { readonly stream_detail?: readonly Stream[] }[];
}

/** The streams that the block of nats-store-lost shows, each by its leader. */
async function streams(): Promise<Stream[]> {
  const said = await typeBlock('nats-store-lost.md', 'jsz?streams=true');
  const reports = JSON.parse(`[${said.replace(/\}\s*\{/g, '},{')}]`) as ServerReport[];
  return reports.flatMap(({ account_details: accounts = [] }) => accounts.flatMap((one) => one.stream_detail ?? []));
}

/** As the page says: every stream is led by somebody, and both others have all of it. */
export async function streamsAreWhole(): Promise<void> {
  const whole = ({ cluster: { replicas = [] } }: Stream): boolean =>
    replicas.length === 2 && replicas.every(({ current, lag = 0 }) => current && lag === 0);
  const areWhole = async (): Promise<boolean> => {
    const all = await streams();
    return new Set(all.map(({ name }) => name)).size === 4 && all.every(whole);
  };
  await waitFor(areWhole, { timeoutMs: 120_000, what: 'every stream has its three copies' });
}
