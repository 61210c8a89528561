export interface Column {
  readonly name: string;
  readonly type: 'INT64' | 'STRING' | 'BOOLEAN';
  /** Every row has it. */
  readonly always?: true;
  /** What it says; in `facts.schema.json`. */
  readonly about: string;
}

/** The table `facts`: one row a fact; what a kind of fact has nothing to say of is null. */
export const FACT_COLUMNS: readonly Column[] = [
  {
    name: 'record_ms',
    type: 'INT64',
    always: true,
    about:
      'When EVENTS stored the record, ms since 1970; its day (UTC) is the folder. With record_seq and record_row it names the row.',
  },
  { name: 'record_seq', type: 'INT64', always: true, about: 'Sequence of the record in EVENTS.' },
  { name: 'record_row', type: 'INT64', always: true, about: 'Which fact of the record, from 0.' },
  {
    name: 'time_ms',
    type: 'INT64',
    always: true,
    about: 'When it happened, by the clock of the origin, ms since 1970.',
  },
  { name: 'origin', type: 'STRING', always: true, about: 'The replica that noticed it.' },
  {
    name: 'what',
    type: 'STRING',
    always: true,
    about: 'The kind of fact: the oneof of godwit.event.v1.Fact, in snake_case.',
  },
  { name: 'conversation_key', type: 'STRING', about: 'Pseudonym of the conversation.' },
  { name: 'user_key', type: 'STRING', about: 'Pseudonym of whom it concerns.' },
  { name: 'device_key', type: 'STRING', about: 'Pseudonym of the device it concerns.' },
  { name: 'seq', type: 'INT64', about: 'Of the message in its conversation; of marks, everything up to it.' },
  { name: 'kind', type: 'STRING', about: 'accepted, send_refused: kind of message, as the client protocol names it.' },
  { name: 'payload_bytes', type: 'INT64', about: 'accepted: size of the encoded payload.' },
  { name: 'ack_ms', type: 'INT64', about: 'accepted: from arrival at the router until stored.' },
  { name: 'duplicate', type: 'BOOLEAN', about: 'accepted: a retry of what had been stored before.' },
  { name: 'recipients', type: 'INT64', about: 'announced: users who are to have it.' },
  { name: 'offline', type: 'INT64', about: 'announced: of them without a socket.' },
  { name: 'edge', type: 'STRING', about: 'fanned_out: the edge.' },
  { name: 'sockets', type: 'INT64', about: 'fanned_out: sockets it was for.' },
  { name: 'took', type: 'INT64', about: 'fanned_out: sockets it was handed to.' },
  { name: 'provider', type: 'STRING', about: 'pushed: the provider that was asked.' },
  { name: 'outcome', type: 'STRING', about: 'pushed: SENT, ONLINE, NO_TOKEN, MUTED or FAILED.' },
  {
    name: 'sent_time_ms',
    type: 'INT64',
    about: 'delivered_to, read_up_to: server time of the message, where it is still known.',
  },
  { name: 'reason', type: 'STRING', about: 'send_refused: the reason of docs/protocol.md.' },
];
