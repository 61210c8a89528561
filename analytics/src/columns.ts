export interface Column {
  readonly name: string;
  readonly type: 'INT64' | 'STRING' | 'BOOLEAN';
  /** Every row has it. */
  readonly always?: true;
}

/** The table `facts`: one row a fact; what a kind of fact has nothing to say of is null. */
export const FACT_COLUMNS: readonly Column[] = [
  // Which record of the stream, and which fact in it: together they name a row, so that a copy can be told.
  { name: 'record_seq', type: 'INT64', always: true },
  { name: 'record_row', type: 'INT64', always: true },
  { name: 'time_ms', type: 'INT64', always: true },
  { name: 'origin', type: 'STRING', always: true },
  { name: 'what', type: 'STRING', always: true },
  // Pseudonyms, see `pseudonym`.
  { name: 'conversation_key', type: 'STRING' },
  { name: 'user_key', type: 'STRING' },
  { name: 'device_key', type: 'STRING' },
  { name: 'seq', type: 'INT64' },
  { name: 'kind', type: 'STRING' },
  { name: 'payload_bytes', type: 'INT64' },
  { name: 'ack_ms', type: 'INT64' },
  { name: 'duplicate', type: 'BOOLEAN' },
  { name: 'recipients', type: 'INT64' },
  { name: 'offline', type: 'INT64' },
  { name: 'edge', type: 'STRING' },
  { name: 'sockets', type: 'INT64' },
  { name: 'took', type: 'INT64' },
  { name: 'provider', type: 'STRING' },
  { name: 'outcome', type: 'STRING' },
  { name: 'sent_time_ms', type: 'INT64' },
  { name: 'reason', type: 'STRING' },
];
