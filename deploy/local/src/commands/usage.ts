import path from 'node:path';
import colors from 'picocolors';
import { PROJECT_ROOT } from '../project-root.js';
import type { StackState } from '../state-file.js';

const statusPagesOf = ({ processes }: StackState): string[] =>
  processes.flatMap(({ name, httpPort }) =>
    name.startsWith('edge-') && httpPort !== undefined ? [`http://127.0.0.1:${String(httpPort)}/status`] : [],
  );

/** How to use a stack that runs, for the end of `npm start`. */
export function usageOf(state: StackState, dir: string): string {
  const shown = (file: string): string => path.relative(process.cwd(), file) || '.';
  const command = (text: string): string => colors.cyan(text);
  // In the project the CLI finds the stack by itself.
  const found = dir === path.join(PROJECT_ROOT, '.godwit') ? '' : `GODWIT_STATE_DIR=${dir} `;
  return [
    '',
    colors.bold('Godwit is running.'),
    `  WebSocket    ${state.edges.join('  ')}`,
    `  HTTP         ${state.edges.map((url) => url.replace(/^ws/, 'http')).join('  ')}`,
    `  SMS codes    ${shown(state.smsOutbox ?? '')}`,
    `  API key      ${state.adminApiKey ?? ''} (every scope; refused in production)`,
    `  Logs         ${shown(path.join(dir, 'logs'))}`,
    `  Status page  ${statusPagesOf(state).join('  ')}`,
    ...(state.prometheus === undefined ? [] : [`  Prometheus   ${state.prometheus} (with the rules of the fleet)`]),
    '',
    `Chat, each line in a shell of its own (register asks for the code: tail -n 1 ${shown(state.smsOutbox ?? '')}):`,
    `  ${command(`${found}npx godwit --profile alice register --phone +12025550101 --name alice`)}`,
    `  ${command(`${found}npx godwit --profile bob register --phone +12025550102 --name bob`)}`,
    `  ${command(`${found}npx godwit --profile alice chat bob`)}`,
    `  ${command(`${found}npx godwit --profile bob chat alice`)}`,
    `What else the CLI does: ${command('npx godwit --help')}. The state of the stack: ${command('npm run status')}.`,
    '',
  ].join('\n');
}
