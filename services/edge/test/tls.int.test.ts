import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ConfigError } from '@godwit/runtime/config';
import { loadEdgeConfig } from '../src/config.js';
import { newDevice } from './fake-fleet.js';
import { runEdge } from './running-edge.js';

// Node can't make certificates; where there is no openssl there is nothing to test with.
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

let folder: string;
let cert: string;
let key: string;
beforeAll(() => {
  if (!hasOpenssl) return;
  folder = mkdtempSync(join(tmpdir(), 'godwit-tls-'));
  cert = join(folder, 'cert.pem');
  key = join(folder, 'key.pem');
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...newKey, '-out', cert, ...subject], { stdio: 'ignore' });
});
afterAll(() => {
  if (hasOpenssl) rmSync(folder, { recursive: true, force: true });
});

it.skipIf(!hasOpenssl)('speaks TLS with the certificate it is given', async () => {
  const running = await runEdge({ env: { GODWIT_EDGE_TLS_CERT: cert, GODWIT_EDGE_TLS_KEY: key } });
  try {
    const url = `wss://127.0.0.1:${String(running.edge.port)}/v1/ws`;
    const headers = { authorization: `Bearer ${await running.account.token(newDevice())}` };
    const ws = new WebSocket(url, ['godwit.v1.json'], { headers, ca: readFileSync(cert) });
    await new Promise((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    ws.send('{"requestId":3,"ping":{}}');
    const answer = await new Promise<string>((resolve) => {
      ws.once('message', (data: Buffer) => {
        resolve(data.toString());
      });
    });
    expect(JSON.parse(answer)).toMatchObject({ requestId: 3 });
    ws.close();
  } finally {
    await running.stop();
  }
});

it('wants certificate and key together', () => {
  expect(() => loadEdgeConfig({ GODWIT_EDGE_TLS_CERT: 'cert.pem' })).toThrow(ConfigError);
});
