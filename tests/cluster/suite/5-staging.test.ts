import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { STAGING } from './certificate.js';
import { kubectl, podsOf, rolledOut, succeed } from './kubectl.js';
import { Chat, conversationOf, people, Watched, type Site } from './people.js';
import { allRolledOut, filesOfFacts, stagingSite, streamsAreWhole, typeBlock } from './staging.js';
import { bringClusterServices, deleteFleet, deleteVolumes } from './surroundings.js';
import { attempt, blockOf, follow, type } from './transcript.js';

/** The images that run.sh has given to the nodes. */
const IMAGES = { REGISTRY: 'localhost/godwit', TAG: 'ci' };
const DEPLOY = 'deploy.md';

let site: Site;
let chat: Chat | undefined;

beforeAll(async () => {
  await deleteFleet();
  await succeed('tests/cluster/staging.sh', [STAGING]);
  await kubectl('apply', '--server-side', '-f', 'tests/cluster/crds/prometheus-operator.yaml');
  await bringClusterServices();
});

afterEach(async () => {
  await chat?.close();
  chat = undefined;
});

afterAll(async () => {
  await deleteFleet();
  await deleteVolumes();
});

/** People chat while somebody works; in the end nothing is lost, doubled or out of order. */
async function whilePeopleChat(work: () => Promise<void>): Promise<void> {
  const running = await Chat.begin(site);
  chat = running;
  await running.more(20);
  await work();
  await running.more(20);
  await running.end();
}

const RINGS_AND_EDGES = ['router', 'message-store', 'session', 'edge'];

/** How many pods of a service are not ready. */
async function unready(service: string): Promise<[string, number]> {
  return [service, (await podsOf(service)).filter(({ ready }) => !ready).length];
}

/** The connector writes a file now and then (staging.sh), where there is something to write. */
async function moreFactsThan(files: number): Promise<void> {
  const arrived = async (): Promise<boolean> => (await filesOfFacts()).length > files;
  await waitFor(arrived, { timeoutMs: 150_000, what: 'a file of facts in the bucket' });
}

describe('staging is deployed as the runbook says', () => {
  it('makes the Secrets', async () => {
    const SMS_TOKEN = randomBytes(32).toString('hex');
    await typeBlock(DEPLOY, 'create secret generic account', { SMS_TOKEN });
  });

  it('names the images', async () => {
    await typeBlock(DEPLOY, 'kustomize edit set image', IMAGES);
    expect(await readFile(path.join(STAGING, 'k8s/overlays/staging/kustomization.yaml'), 'utf8')).not.toContain(
      'registry.example.com',
    );
  });

  it('comes up', async () => {
    await typeBlock(DEPLOY, 'rollout status deployment/edge');
    site = await stagingSite();
  }, 900_000);

  it('says which build runs', async () => {
    const said = await typeBlock(DEPLOY, 'proxy/healthz');
    expect(said).toMatch(/"version":"\d+\.\d+\.\d+"/);
    expect(said).toContain('localhost/godwit/router:ci');
  });

  it('people chat, and their messages are stored by the majority of three', async () => {
    await whilePeopleChat(() => Promise.resolve());
  });
});

it('what happened to their messages comes to the lake', async () => {
  await moreFactsThan(0);
});

describe('while people chat', () => {
  it('the disk of one server of NATS is lost', async () => {
    await streamsAreWhole();
    await whilePeopleChat(async () => {
      await typeBlock('nats-store-lost.md', 'delete pvc data-nats-1');
      await kubectl('-n', 'godwit-data', 'rollout', 'status', 'statefulset/nats', '--timeout=180s');
      await streamsAreWhole();
    });
  }, 480_000);

  it('all disks of NATS are lost', async () => {
    await whilePeopleChat(async () => {
      await typeBlock('nats-store-lost.md', 'scale statefulset/nats --replicas=0');
      await streamsAreWhole();
      await typeBlock('nats-store-lost.md', 'restart deployment/analytics');
      await kubectl('-n', 'godwit', 'rollout', 'status', 'deployment/analytics', '--timeout=120s');
      // The old one's last file may come while it goes; the next is of the new one.
      await moreFactsThan((await filesOfFacts()).length + 1);
    });
  }, 480_000);

  it('every store is restarted', async () => {
    await whilePeopleChat(async () => {
      await typeBlock('recreate-pods.md', 'for store in');
    });
  }, 900_000);

  it('the master key is changed in three steps', async () => {
    await whilePeopleChat(async () => {
      await typeBlock('rotate-secrets.md', 'key=master-key');
    });
  }, 480_000);

  it('the fleet token is changed, and all pods are created anew', async () => {
    await whilePeopleChat(async () => {
      await typeBlock('rotate-secrets.md', 'patch secret fleet');
      await follow('recreate-pods.md');
    });
  }, 1_200_000);

  it('there is one router more', async () => {
    const block = blockOf(DEPLOY, 'set replicas router=4');
    const [prepare = '', apply = ''] = block.split(/(?=kubectl -n godwit delete job)/);
    await whilePeopleChat(async () => {
      await type(prepare, { folder: STAGING });
      const diff = blockOf(DEPLOY, 'kubectl diff');
      const { code, stdout, stderr } = await attempt(diff, { folder: STAGING });
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
      expect(stdout).toMatch(/^\+ +replicas: 4$/m);
      await type(apply, { folder: STAGING });
      await allRolledOut();
    });
    expect(await podsOf('router')).toHaveLength(4);
  }, 1_200_000);

  it('a zone is drained: a third of everything goes, the budgets keep the rest, and all of it comes back', async () => {
    const ZONE = 'a';
    await kubectl('label', 'nodes', '--all', `topology.kubernetes.io/zone=${ZONE}`, '--overwrite');
    // There is no other zone: what is evicted waits, so that the budgets have to hold what is left.
    const block = blockOf('drain-zone.md', 'kubectl drain').replace(
      '--timeout=30m',
      '--timeout=60s --pod-selector=app.kubernetes.io/part-of=godwit',
    );
    await whilePeopleChat(async () => {
      try {
        await expect(type(block, { variables: { ZONE } })).rejects.toThrow(/disruption budget/);
        expect(await Promise.all(RINGS_AND_EDGES.map(unready))).toEqual(RINGS_AND_EDGES.map((service) => [service, 1]));
        await chat?.more(20);
      } finally {
        await typeBlock('drain-zone.md', 'uncordon', { ZONE });
      }
      await allRolledOut();
    });
  }, 900_000);
});

describe('commands of operators', () => {
  it('have a pod when they are needed', async () => {
    await typeBlock(DEPLOY, 'scale statefulset/operations --replicas=1');
    expect(await typeBlock(DEPLOY, '--help')).toContain('export-user USER FILE');
  });

  it('give a user their data', async () => {
    const [[alice] = []] = await people(1, site);
    const USER_ID = alice?.userId ?? '';
    await typeBlock('gdpr-request.md', 'export-user', { USER_ID });
    const lines = (await readFile(path.join(STAGING, 'user.jsonl'), 'utf8')).trim().split('\n');
    const collections = lines.map((line) => (JSON.parse(line) as { collection: string }).collection);
    expect(collections).toEqual(expect.arrayContaining(['users', 'imports', 'devices']));
    // Two devices stand, which the page says to remove first.
    await expect(typeBlock('gdpr-request.md', 'erase-user', { USER_ID })).rejects.toThrow(/must be removed first/);
  });

  it('restore a MongoDB whose disks are lost: what was acked before the backup arrives, and people chat on', async () => {
    const users = await people(2, site);
    const [[alice] = [], [bob] = []] = users;
    if (alice === undefined || bob === undefined) throw new Error('two users have two devices');
    const conversation = conversationOf(users);
    const sender = new Watched(alice, site.edge);
    const receiver = new Watched(bob, site.edge);
    const send = (text: string) => sender.client.send(conversation, { text });
    try {
      await sender.client.connect();
      const before = Array.from({ length: 20 }, (_, index) => `before ${String(index)}`);
      for (const text of before) await send(text);
      const AT = '2026-11-30T0400';
      await typeBlock('restore.md', 'main.js dump', { AT });
      await send('after the backup');
      await typeBlock('restore.md', 'scale deployment/edge --replicas=0');
      await typeBlock('restore.md', 'delete pvc');
      await typeBlock('restore.md', 'main.js restore', { AT });
      await typeBlock(DEPLOY, 'rollout status deployment/edge');
      await typeBlock('restore.md', 'scale deployment/edge --replicas=2');
      // Devices that have long found no edge wait up to a minute between two tries.
      sender.client.reconnect();
      await receiver.client.connect();
      const { seq } = await send('after the restore');
      expect(seq).toBeGreaterThan(before.length + 1);
      const wanted = [...before, 'after the restore'];
      await waitFor(() => receiver.texts.length >= wanted.length, { timeoutMs: 60_000, what: 'everything arrived' });
      expect(receiver.texts).toEqual(wanted);
    } finally {
      await sender.client.close();
      await receiver.client.close();
    }
    await whilePeopleChat(() => Promise.resolve());
  }, 1_200_000);

  it('revoke leaked signing keys: tokens of before are refused, those of after are taken', async () => {
    const [[before] = []] = await people(1, site);
    await typeBlock(DEPLOY, 'scale statefulset/operations --replicas=1');
    const oldEdges = (await podsOf('edge')).map(({ name }) => `pod/${name}`);
    await typeBlock('rotate-secrets.md', 'revoke-signing-keys');
    // As the page says: the last of the old ones drains for a while.
    await kubectl('-n', 'godwit-edge', 'wait', '--for=delete', ...oldEdges, '--timeout=60s');
    if (before === undefined) throw new Error('a user has two devices');
    const refused = new Watched(before, site.edge);
    await expect(refused.client.connect()).rejects.toThrow();
    await whilePeopleChat(() => Promise.resolve());
  }, 600_000);

  it('and the pod goes again', async () => {
    await typeBlock(DEPLOY, 'scale statefulset/operations --replicas=0');
    await kubectl('-n', 'godwit', 'wait', '--for=delete', 'pod/operations-0', '--timeout=60s');
    await rolledOut('account');
  });
});
