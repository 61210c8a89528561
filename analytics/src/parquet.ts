import { parquetWriteBuffer } from 'hyparquet-writer';
import { FACT_COLUMNS, type Column } from './columns.js';
import type { FactRow, Value } from './fact-rows.js';

/** A Parquet file of the table `facts`. */
export const encodeFacts = (rows: readonly FactRow[]): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
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
