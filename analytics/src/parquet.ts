import { parquetWriteBuffer } from 'hyparquet-writer';
import { FACT_COLUMNS, type Column } from './columns.js';
import type { FactRow, Value } from './fact-rows.js';

/** A Parquet file of the table `facts`, with what else its footer is to say. */
export const encodeFacts = (rows: readonly FactRow[], footer: Readonly<Record<string, string>> = {}): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      kvMetadata: Object.entries(footer).map(([key, value]) => ({ key, value })),
      columnData: FACT_COLUMNS.map((column) => ({
        name: column.name,
        type: column.type,
        nullable: column.always !== true,
        data: rows.map((row) => cell(row[column.name], column)),
      })),
    }),
  );

const cell = (value: Value | undefined, { type }: Column): string | boolean | bigint | null => {
  if (value === undefined) return null;
  return type === 'INT64' ? BigInt(value) : (value as string | boolean);
};
