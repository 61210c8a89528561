// Makes the network policies from the table "Who may call whom" of docs/architecture.md: an arrow that is not there does
// not exist. `node generate.mjs` writes them, `--check` fails when they are not what the table says.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const TABLE = path.resolve(HERE, '../../../docs/architecture.md');

const SERVICES = ['account', 'edge', 'group', 'message-store', 'presence', 'push', 'router', 'session'];
const DMZ = 'godwit-edge';
const FLEET = 'godwit';
const DATA = 'godwit-data';
const GRPC = 7100;
const HTTP = 9100;
const OTLP = 4318;

/** The stores: the pods that serve each, and their port. Where they run elsewhere, overlays add what leads there. */
const STORES = {
  MongoDB: { pods: ['mongo', 'mongos'], port: 27017 },
  NATS: { pods: ['nats'], port: 4222 },
  Redis: { pods: ['redis'], port: 6379 },
  S3: { pods: ['object-store'], port: 8333 },
};

/** Components of the stores: between their members, beside the port for clients. */
const MEMBERS = {
  mongodb: { pods: ['mongo'], ports: [27017] },
  'mongodb-sharded': { pods: ['mongo-config', 'mongo-shard-0', 'mongo-shard-1', 'mongos'], ports: [27017] },
  nats: { pods: ['nats'], ports: [6222] },
  redis: { pods: ['redis'], ports: [6379, 16379] },
  'object-store': { pods: ['object-store'], ports: [] },
};

/** No services, so not in the table: what prepares the stores before a rollout, and what takes facts to a bucket. */
const HELPERS = {
  analytics: { stores: ['NATS', 'S3'], hasMetrics: true },
  setup: { stores: ['MongoDB', 'NATS', 'Redis'], hasMetrics: false },
};

/** Who needs the internet over HTTPS, and what for. */
const OUTSIDE = { account: 'The gateway of one-time codes.', analytics: 'A bucket elsewhere.' };

export function readArrows(markdown) {
  const section = markdown.split('### Who may call whom')[1]?.split(/\n#+ /)[0];
  if (section === undefined) throw new Error('docs/architecture.md has no section "Who may call whom"');
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  const arrows = rows.slice(2).flatMap((row) => {
    const [, from, to] = row.split('|').map((cell) => cell.trim());
    return callersOf(from).map((caller) => ({ from: caller, to }));
  });
  for (const { from, to } of arrows) {
    if (!SERVICES.includes(from)) throw new Error(`the table names an unknown service: ${from}`);
    if (!SERVICES.includes(to) && STORES[to] === undefined) throw new Error(`the table names an unknown target: ${to}`);
  }
  return arrows.filter(({ from, to }) => from !== to);
}

function callersOf(cell) {
  const except = /^any but (.+)$/.exec(cell)?.[1];
  if (except === undefined) return cell.split(',').map((name) => name.trim());
  return SERVICES.filter((service) => service !== except);
}

const namespaceOf = (service) => (service === 'edge' ? DMZ : FLEET);
const unique = (values) => [...new Set(values)].sort();

function podsIn(namespace, names) {
  return [
    '        - namespaceSelector:',
    `            matchLabels: { kubernetes.io/metadata.name: ${namespace} }`,
    '          podSelector:',
    '            matchExpressions:',
    `              - { key: app.kubernetes.io/name, operator: In, values: [${names.join(', ')}] }`,
  ];
}

function namespacesWith(label) {
  return ['        - namespaceSelector:', `            matchLabels: { ${label}: 'true' }`];
}

const tcp = (...ports) => ['      ports:', ...ports.map((port) => `        - { protocol: TCP, port: ${port} }`)];
const rule = (direction, peers, ports) => [`    - ${direction}:`, ...peers, ...ports];
const note = (text) => `    # ${text}`;

function byNamespace(services) {
  return unique(services.map(namespaceOf)).flatMap((namespace) => {
    return podsIn(namespace, unique(services.filter((service) => namespaceOf(service) === namespace)));
  });
}

// Pods see the port of the pod that answers: 53 nearly everywhere.
const DNS = [
  '    - to:',
  '        - namespaceSelector:',
  '            matchLabels: { kubernetes.io/metadata.name: kube-system }',
  '          podSelector:',
  '            matchLabels: { k8s-app: kube-dns }',
  '      ports:',
  '        - { protocol: UDP, port: 53 }',
  '        - { protocol: TCP, port: 53 }',
];

function internet(name) {
  if (OUTSIDE[name] === undefined) return [];
  return [
    note(OUTSIDE[name]),
    '    - to:',
    '        - ipBlock:',
    '            cidr: 0.0.0.0/0',
    '            except: [10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]',
    ...tcp(443),
  ];
}

const METRICS = [note('Whoever collects metrics.'), ...rule('from', namespacesWith('godwit.io/monitoring'), tcp(HTTP))];

const toStores = (stores) =>
  stores.flatMap((store) => rule('to', podsIn(DATA, STORES[store].pods), tcp(STORES[store].port)));

function policy({ name, namespace, selects, ingress, egress }) {
  return [
    '# Generated from docs/architecture.md by generate.mjs; change the table instead.',
    'apiVersion: networking.k8s.io/v1',
    'kind: NetworkPolicy',
    'metadata:',
    `  name: ${name}`,
    `  namespace: ${namespace}`,
    'spec:',
    ...(selects === undefined
      ? ['  podSelector: {}']
      : ['  podSelector:', `    matchLabels: { app.kubernetes.io/name: ${selects} }`]),
    '  policyTypes: [Ingress, Egress]',
    ...(ingress.length === 0 ? [] : ['  ingress:', ...ingress]),
    ...(egress.length === 0 ? [] : ['  egress:', ...egress]),
    '',
  ].join('\n');
}

function servicePolicy(service, arrows) {
  const callers = unique(arrows.filter(({ to }) => to === service).map(({ from }) => from));
  const peers = unique(arrows.filter(({ from, to }) => from === service && SERVICES.includes(to)).map(({ to }) => to));
  const stores = unique(
    arrows.filter(({ from, to }) => from === service && STORES[to] !== undefined).map(({ to }) => to),
  );
  const ingress = [
    ...(callers.length === 0 ? [] : rule('from', byNamespace(callers), tcp(GRPC))),
    ...(service === 'edge'
      ? [note('Clients, from anywhere.'), '    - ports:', '        - { protocol: TCP, port: 8080 }']
      : [
          note('Internal teams, with an API key and TLS.'),
          ...rule('from', namespacesWith('godwit.io/api-caller'), tcp(GRPC)),
        ]),
    ...METRICS,
  ];
  const egress = [
    ...(peers.length === 0 ? [] : rule('to', byNamespace(peers), tcp(GRPC))),
    ...toStores(stores),
    ...DNS,
    note('Whoever collects traces.'),
    ...rule('to', namespacesWith('godwit.io/tracing'), tcp(OTLP)),
    ...internet(service),
  ];
  return policy({ name: service, namespace: namespaceOf(service), selects: service, ingress, egress });
}

function helperPolicy(name, { stores, hasMetrics }) {
  const ingress = hasMetrics ? METRICS : [];
  return policy({
    name,
    namespace: FLEET,
    selects: name,
    ingress,
    egress: [...toStores(stores), ...DNS, ...internet(name)],
  });
}

function storePolicy({ pod, group, ports, arrows }) {
  const [name, store] = Object.entries(STORES).find(([, { pods }]) => pods.includes(pod)) ?? [];
  const clients = unique(arrows.filter(({ to }) => to === name).map(({ from }) => from));
  const helpers = Object.keys(HELPERS).filter((helper) => HELPERS[helper].stores.includes(name));
  const members = (direction) => (ports.length === 0 ? [] : rule(direction, podsIn(DATA, group), tcp(...ports)));
  const ingress = [
    ...(name === undefined ? [] : rule('from', podsIn(FLEET, [...clients, ...helpers].sort()), tcp(store.port))),
    ...(ports.length === 0 ? [] : [note('Members of the same store.')]),
    ...members('from'),
  ];
  return policy({ name: pod, namespace: DATA, selects: pod, ingress, egress: [...members('to'), ...DNS] });
}

/** What is in the folders below `generated/`, by file: one component for the fleet, one for each of stores and helpers. */
export function generate(markdown) {
  const arrows = readArrows(markdown);
  const fleet = {};
  for (const namespace of [DMZ, FLEET, DATA]) {
    fleet[`deny-all-${namespace}.yaml`] = policy({ name: 'deny-all', namespace, ingress: [], egress: [] });
  }
  for (const service of SERVICES) fleet[`${service}.yaml`] = servicePolicy(service, arrows);
  const components = { fleet };
  for (const [name, helper] of Object.entries(HELPERS))
    components[name] = { [`${name}.yaml`]: helperPolicy(name, helper) };
  for (const [component, { pods: group, ports }] of Object.entries(MEMBERS)) {
    const policies = group.map((pod) => [`${pod}.yaml`, storePolicy({ pod, group, ports, arrows })]);
    components[component] = Object.fromEntries(policies);
  }
  const files = {};
  for (const [component, policies] of Object.entries(components)) {
    for (const [file, text] of Object.entries(policies)) files[`${component}/${file}`] = text;
    files[`${component}/kustomization.yaml`] = kustomization(Object.keys(policies).sort());
  }
  return files;
}

function kustomization(resources) {
  return [
    '# Generated by ../../generate.mjs.',
    'apiVersion: kustomize.config.k8s.io/v1alpha1',
    'kind: Component',
    'resources:',
    ...resources.map((file) => `  - ${file}`),
    '',
  ].join('\n');
}

const FOLDER = path.join(HERE, 'generated');

/** Files that are missing, stale or too many. */
export function staleFiles() {
  const wanted = generate(readFileSync(TABLE, 'utf8'));
  const entries = existsSync(FOLDER) ? readdirSync(FOLDER, { recursive: true, withFileTypes: true }) : [];
  const present = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(FOLDER, path.join(entry.parentPath, entry.name)));
  const stale = Object.entries(wanted)
    .filter(([file, text]) => !present.includes(file) || readFileSync(path.join(FOLDER, file), 'utf8') !== text)
    .map(([file]) => file);
  return [...stale, ...present.filter((file) => wanted[file] === undefined)];
}

function write() {
  rmSync(FOLDER, { recursive: true, force: true });
  for (const [file, text] of Object.entries(generate(readFileSync(TABLE, 'utf8')))) {
    mkdirSync(path.dirname(path.join(FOLDER, file)), { recursive: true });
    writeFileSync(path.join(FOLDER, file), text);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--arrows')) console.log(JSON.stringify(readArrows(readFileSync(TABLE, 'utf8'))));
  else if (!process.argv.includes('--check')) write();
  else if (staleFiles().length > 0) {
    console.error(`not what docs/architecture.md says (run generate.mjs): ${staleFiles().join(', ')}`);
    process.exitCode = 1;
  }
}
