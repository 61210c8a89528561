// Makes the rules and dashboards of this folder from slo.mjs, alerts.mjs and dashboards.mjs; `--check` says what isn't fresh.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { alertGroups } from './alerts.mjs';
import { dashboards } from './dashboards.mjs';
import { recordingGroups } from './slo.mjs';

const ROOT = path.dirname(fileURLToPath(import.meta.url));

// JSON is YAML, but nobody likes to read rules in it.
const scalar = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));
const lines = (record, indent) =>
  Object.entries(record).flatMap(([key, value]) =>
    typeof value === 'object'
      ? [`${indent}${key}:`, ...lines(value, `${indent}  `)]
      : key === 'expr'
        ? [`${indent}expr: |-`, ...value.split('\n').map((line) => `${indent}  ${line}`)]
        : [`${indent}${key}: ${scalar(value)}`],
  );
const rule = (record) => lines(record, '        ').join('\n').replace('        ', '      - ');
const rulesText = (groups) =>
  [
    'groups:',
    ...groups.map(({ name, rules }) => [`  - name: ${name}`, '    rules:', ...rules.map(rule)].join('\n')),
  ].join('\n');
const rulesFile = (groups) =>
  ['# Made by observability/generate.mjs; edit slo.mjs and alerts.mjs instead.', rulesText(groups), ''].join('\n');

// The same for the Prometheus operator.
const prometheusRule = (groups) =>
  [
    '# Made by observability/generate.mjs; edit slo.mjs and alerts.mjs there instead.',
    'apiVersion: monitoring.coreos.com/v1',
    'kind: PrometheusRule',
    'metadata:',
    '  name: godwit',
    '  namespace: godwit',
    '  labels: { app.kubernetes.io/part-of: godwit }',
    'spec:',
    rulesText(groups).replaceAll(/^(?=.)/gm, '  '),
    '',
  ].join('\n');

// The dashboards as a ConfigMap, for k8s/components/monitoring: kustomize reads files of its own folder only.
const dashboardsKustomization = () =>
  [
    '# Made by observability/generate.mjs: the dashboards as a ConfigMap, for k8s/components/monitoring.',
    'apiVersion: kustomize.config.k8s.io/v1alpha1',
    'kind: Component',
    'configMapGenerator:',
    '  - name: godwit-dashboards',
    '    namespace: godwit',
    '    options:',
    "      # Grafana's sidecar looks for this label, and watches: a name that changes would leave old ones behind.",
    "      labels: { grafana_dashboard: '1' }",
    '      disableNameSuffixHash: true',
    '    files:',
    ...dashboards.map(({ uid }) => `      - ${uid}.json`).sort(),
    '',
  ].join('\n');

const files = {
  '../k8s/components/monitoring/prometheus-rule.yaml': prometheusRule([...recordingGroups, ...alertGroups]),
  'dashboards/kustomization.yaml': dashboardsKustomization(),
  'rules/recording.yml': rulesFile(recordingGroups),
  'rules/alerts.yml': rulesFile(alertGroups),
  ...Object.fromEntries(
    dashboards.map((dashboard) => [`dashboards/${dashboard.uid}.json`, JSON.stringify(dashboard, undefined, 2)]),
  ),
};

let stale = 0;
for (const [name, text] of Object.entries(files)) {
  const file = path.join(ROOT, name);
  const formatted = await format(text, { ...(await resolveConfig(file)), filepath: file });
  if (existsSync(file) && readFileSync(file, 'utf8') === formatted) continue;
  stale += 1;
  if (process.argv.includes('--check'))
    console.error(`observability/${name} is not fresh: node observability/generate.mjs`);
  else {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, formatted);
    console.log(`observability/${name}`);
  }
}
if (process.argv.includes('--check') && stale > 0) process.exitCode = 1;
