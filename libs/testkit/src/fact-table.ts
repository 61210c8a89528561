import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';

export type TableRow = Readonly<Record<string, unknown>>;

/** Asks DuckDB with the exporter's folder as the view `facts`, as docs/analytics.md has it; whole numbers come as text. */
export const askFacts = (dir: string, sql: string): Promise<TableRow[]> => askTable({ dir, table: 'facts' }, sql);

/** Asks DuckDB with `dir/table`, a folder a day, as a view. */
export async function askTable(
  from: { readonly dir: string; readonly table: string },
  sql: string,
): Promise<TableRow[]> {
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  try {
    const files = path.join(from.dir, from.table, '*', '*.parquet');
    await connection.run(`CREATE VIEW ${from.table} AS FROM read_parquet('${files}', hive_partitioning = true)`);
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}

/** Runs a query of `analytics/queries`. */
export async function sampleQuery(dir: string, name: string): Promise<TableRow[]> {
  return askFacts(dir, await readFile(path.join(PROJECT_ROOT, 'analytics', 'queries', `${name}.sql`), 'utf8'));
}
