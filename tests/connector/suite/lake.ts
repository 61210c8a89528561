import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePorts, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess, waitUntilReady } from '@godwit/local-stack/process/managed-process';
import type { Watchdog } from '@godwit/local-stack/process/watchdog';
import { acquireServer } from '@godwit/local-stack/servers/acquire-server';
import { plainEnvironment, type Server, serverOf } from '@godwit/local-stack/servers/server';
import { AwsClient } from 'aws4fetch';

export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'lake', AWS_SECRET_ACCESS_KEY: 'secret-of-the-lake' };

/** An object store that speaks S3; a bucket is made by the first upload. */
export interface Lake extends Server {
  readonly bucket: (name: string) => Bucket;
}

/** SeaweedFS as one process. */
export async function startLake(dir: string, watchdog: Watchdog): Promise<Lake> {
  const { binary } = await acquireServer('weed', {});
  const [master = 0, volume = 0, filer = 0, s3 = 0] = await freePorts(4);
  for (const name of [`filer-${filer}`, `s3-${s3}`]) watchdog.removeAtEnd(`/tmp/seaweedfs-${name}.sock`);
  // It gives its gRPC ports Unix sockets too, and leaves them behind.
  for (const [name, port] of Object.entries({ master, volume, filer, s3 })) {
    watchdog.removeAtEnd(`/tmp/seaweedfs-${name}-grpc-${port + 10_000}.sock`);
  }
  const spec = {
    name: 'weed',
    command: binary,
    args: [
      ...['-logtostderr', 'server', `-dir=${path.join(dir, 'data')}`, `-ip=${LOOPBACK}`, `-ip.bind=${LOOPBACK}`],
      ...[`-master.port=${master}`, '-master.volumeSizeLimitMB=64', '-master.telemetry=false'],
      ...[`-volume.port=${volume}`, '-volume.max=100', '-filer', `-filer.port=${filer}`],
      ...['-s3', `-s3.port=${s3}`, '-s3.port.iceberg=0', '-s3.port.lance=0'],
    ],
    env: { ...plainEnvironment(), ...CREDENTIALS },
    cwd: dir,
    logFile: path.join(dir, 'weed.log'),
  };
  const managed = new ManagedProcess(spec, watchdog);
  await mkdir(path.join(dir, 'data'), { recursive: true });
  const url = `http://${LOOPBACK}:${s3}`;
  const ready = () =>
    waitUntilReady(managed, { timeoutMs: 60_000, check: () => complaintOf(new Bucket(url, 'probe')) });
  const server = serverOf({ url, processes: [managed], ready });
  await server.start();
  return { ...server, bucket: (name) => new Bucket(url, name) };
}

/** It takes objects only some time after it takes connections. */
const complaintOf = async (bucket: Bucket): Promise<string | undefined> => {
  const status = await bucket.put('probe', 'probe');
  return status === 200 ? undefined : `S3 answers ${status}`;
};

export class Bucket {
  readonly #url: string;
  readonly #client = new AwsClient({
    accessKeyId: CREDENTIALS.AWS_ACCESS_KEY_ID,
    secretAccessKey: CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    service: 's3',
    region: 'us-east-1',
    retries: 0,
  });

  constructor(url: string, name: string) {
    this.#url = `${url}/${name}`;
  }

  /** The status of the answer. */
  async put(key: string, body: string): Promise<number> {
    return (await this.#ask(`/${key}`, { method: 'PUT', body })).status;
  }

  /** Of all objects below a prefix. */
  async keys(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for (let after = ''; ; after = keys.at(-1) ?? '') {
      const query = new URLSearchParams({ 'list-type': '2', prefix, 'start-after': after });
      const page = await (await this.#ask(`?${query.toString()}`)).text();
      keys.push(...[...page.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key));
      if (!page.includes('<IsTruncated>true</IsTruncated>')) return keys;
    }
  }

  /** Copies all objects below a prefix into a folder, by their keys. */
  async download(prefix: string, dir: string): Promise<void> {
    for (const key of await this.keys(prefix)) {
      const answer = await this.#ask(`/${key}`);
      if (!answer.ok) throw new Error(`${key}: S3 answers ${answer.status}`);
      const file = path.join(dir, key);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, Buffer.from(await answer.arrayBuffer()));
    }
  }

  #ask(what: string, init: RequestInit = {}): Promise<Response> {
    return this.#client.fetch(`${this.#url}${what}`, { signal: AbortSignal.timeout(5_000), ...init });
  }
}
