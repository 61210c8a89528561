import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNodes } from '@godwit/ring/node-address';
import type { TlsFiles } from '@godwit/runtime/base-config';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNodes } from '../src/node-pool.js';
import { errorInfo, statusOf } from '../src/rpc-error.js';
import { EchoService, startEcho, TOKEN, type EchoServer } from './harness.js';

// Node can't make certificates; where there is no openssl there is nothing to test with.
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

let folder = '';
const path = (name: string): string => join(folder, name);

const makeAuthority = (name: string): void => {
  const subject = ['-subj', `/CN=${name}`, '-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...subject], {
    stdio: 'ignore',
  });
};

const makeCertificate = (name: string, authority: string, organization: string): TlsFiles => {
  const request = [
    '-subj',
    `/O=${organization}/CN=${name}`,
    '-keyout',
    path(`${name}.key`),
    '-out',
    path(`${name}.csr`),
  ];
  execFileSync('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', ...request], { stdio: 'ignore' });
  writeFileSync(path('san.cnf'), 'subjectAltName=IP:127.0.0.1');
  const signer = ['-CA', path(`${authority}.pem`), '-CAkey', path(`${authority}.key`), '-CAcreateserial'];
  const signed = ['-in', path(`${name}.csr`), '-out', path(`${name}.pem`), '-extfile', path('san.cnf')];
  execFileSync('openssl', ['x509', '-req', '-days', '1', ...signer, ...signed], { stdio: 'ignore' });
  return { cert: path(`${name}.pem`), key: path(`${name}.key`), ca: path(`${authority}.pem`) };
};

describe.skipIf(!hasOpenssl)('with mTLS', () => {
  let server: EchoServer;
  let fleet: TlsFiles;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-mtls-'));
    makeAuthority('ours');
    makeAuthority('theirs');
    fleet = makeCertificate('edge-0', 'ours', 'godwit-fleet');
    server = await startEcho('echo-0', {
      tls: fleet,
      auth: {
        fleetToken: [TOKEN],
        verifyApiKey: async (key) => (key === 'good' ? { callerId: 'team', scopes: ['echo.shout'] } : undefined),
      },
    });
  });
  afterAll(async () => {
    await server.life.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = async (tls: TlsFiles | undefined) => {
    const pool = connectNodes(EchoService, {
      nodes: parseNodes(`echo-0=127.0.0.1:${String(server.port)}`),
      self: 'edge-0',
      fleetToken: ['not the token of the fleet'],
      tls,
      logger: silentLogger,
      metrics: createMetrics({ service: 'edge', node: 'edge-0', processMetrics: false }),
    });
    try {
      return await pool.callAny('shout', { text: 'x' }, { deadlineMs: 1_000, idempotent: false });
    } finally {
      pool.close();
    }
  };

  it('a certificate of the fleet is enough', async () => {
    expect((await call(fleet)).text).toContain('"kind":"fleet"');
  });

  it('another certificate of our authority needs credentials of its own', async () => {
    const error: unknown = await call(makeCertificate('team', 'ours', 'analytics')).catch((reason: unknown) => reason);
    expect(errorInfo(error)?.reason).toBe('CREDENTIALS_MISSING');
  });

  it('nobody else is connected at all', async () => {
    const stranger = { ...makeCertificate('stranger', 'theirs', 'godwit-fleet'), ca: fleet.ca };
    for (const tls of [stranger, undefined]) {
      const error: unknown = await call(tls).catch((reason: unknown) => reason);
      expect(statusOf(error)).toBe(14);
    }
  });
});
