/** Something the person at the keyboard can act on: its message is one clear sentence, and is shown without a trace. */
export class StackError extends Error {
  override readonly name = 'StackError';
}
