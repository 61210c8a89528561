import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NAMESPACE, type fleetOfFile } from './people.js';

const run = promisify(execFile);
const SETUP = fileURLToPath(new URL('../../deploy/setup/dist/main.js', import.meta.url));

/** Runs a command of deploy/setup on the stores of the file's fleet, as an operator would. Rejects when it fails. */
export const setupCommand =
  (fleet: ReturnType<typeof fleetOfFile>) =>
  (...words: string[]) => {
    const GODWIT_MONGO_URL = fleet().stack.servers.urls.mongo;
    return run(process.execPath, [SETUP, ...words], {
      env: { PATH: process.env['PATH'], GODWIT_MONGO_URL, GODWIT_NAMESPACE: NAMESPACE },
    });
  };
