import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet';
import type { FactRow } from './fact-rows.js';
import { encodeFacts } from './parquet.js';

/** Consecutive records of one stream and one day. */
export interface Chunk {
  /** See `StreamState`. */
  readonly streamMadeAt: number;
  /** The sequence after the last one of the chunk before. */
  readonly fromSeq: number;
  readonly lastSeq: number;
  /** YYYY-MM-DD */
  readonly day: string;
  readonly rows: readonly FactRow[];
}

const TABLE = 'facts';
/** Beside the table, so that no reader of it meets half a file. */
const SCRATCH = '_scratch';
/** In the footer: how far the file goes. */
const LAST_SEQ = 'godwit.last_record_seq';
/** The newest folders in which the newest file is looked for: a clock that went back may have put it into an older one. */
const FOLDERS = 8;
/** A scratch file this old is of an exporter that was killed. */
const ABANDONED_MS = 3_600_000;

const numbered = (value: number): string => String(value).padStart(16, '0');
const prefixOf = (streamMadeAt: number): string => `${numbered(streamMadeAt)}-`;

/** The highest sequence of this stream that a file has; 0: none. */
export const lastSeqIn = async (dir: string, streamMadeAt: number): Promise<number> => {
  const table = path.join(dir, TABLE);
  const folders = (await namesIn(table)).filter((name) => name.startsWith('dt=')).sort();
  const files: { readonly name: string; readonly folder: string }[] = [];
  for (const folder of folders.slice(-FOLDERS)) {
    const names = await namesIn(path.join(table, folder));
    files.push(...names.filter((name) => name.startsWith(prefixOf(streamMadeAt))).map((name) => ({ name, folder })));
  }
  const [first, ...rest] = files;
  if (first === undefined) return 0;
  const { folder, name } = rest.reduce((newest, file) => (file.name > newest.name ? file : newest), first);
  return readLastSeq(path.join(table, folder, name));
};

/**
 * Writes a file of the chunk: whole and durable, or not at all. A file is named by where it begins, so that of two who
 * write on from the same place one comes first; false: that was another.
 */
export const addChunk = async (dir: string, chunk: Chunk): Promise<boolean> => {
  const folder = path.join(dir, TABLE, `dt=${chunk.day}`);
  const scratch = path.join(dir, SCRATCH, randomUUID());
  await mkdir(folder, { recursive: true });
  await mkdir(path.dirname(scratch), { recursive: true });
  try {
    await writeDurably(scratch, encodeFacts(chunk.rows, { [LAST_SEQ]: String(chunk.lastSeq) }));
    await link(scratch, path.join(folder, `${prefixOf(chunk.streamMadeAt)}${numbered(chunk.fromSeq)}.parquet`));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(scratch, { force: true });
  }
  for (const changed of [folder, path.dirname(folder)]) await syncFolder(changed);
  return true;
};

/** Removes what exporters that were killed had begun to write. */
export const removeAbandoned = async (dir: string): Promise<void> => {
  const scratch = path.join(dir, SCRATCH);
  for (const name of await namesIn(scratch)) {
    const file = path.join(scratch, name);
    const { mtimeMs } = await stat(file);
    if (Date.now() - mtimeMs > ABANDONED_MS) await rm(file, { force: true });
  }
};

const readLastSeq = async (file: string): Promise<number> => {
  const { key_value_metadata: footer } = await parquetMetadataAsync(await asyncBufferFromFile(file));
  const seq = Number(footer?.find(({ key }) => key === LAST_SEQ)?.value);
  if (!Number.isSafeInteger(seq)) throw new Error(`${file} does not say how far it goes: it is not the exporter's`);
  return seq;
};

/** None where there is no such folder yet. */
const namesIn = async (folder: string): Promise<string[]> => {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
};

const writeDurably = async (file: string, bytes: Uint8Array): Promise<void> => {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** A name in a folder is on disk when the folder is. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);
