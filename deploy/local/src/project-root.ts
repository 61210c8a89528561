import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the repository: three folders up from here, in `src` as in `dist`. */
export const PROJECT_ROOT = path.resolve(fileURLToPath(import.meta.url), '../../../..');
