import type { Outgoing } from '@godwit/client/message';

export const CHAT_HELP = `Type to send. Messages have numbers, like #12.
  /reply 12 text   answer a message        /react 12 👍    react to one (nothing: take it back)
  /edit 12 text    change an own text      /delete 12     delete for everyone
  /history [n]     what is kept            /who           who has, and has read, your last one
  /quit            or Ctrl-C               //text         a text that begins with a slash`;

export type ChatInput =
  | { readonly do: 'nothing' | 'help' | 'who' | 'quit' }
  | { readonly do: 'history'; readonly count: number }
  | { readonly do: 'send'; readonly outgoing: Outgoing }
  | { readonly do: 'explain'; readonly problem: string };

const DEFAULT_HISTORY = 20;
const MOST_HISTORY = 256;

/** What a typed line asks for. */
export function parseChatInput(line: string): ChatInput {
  if (line.trim() === '') return { do: 'nothing' };
  if (line.startsWith('//')) return { do: 'send', outgoing: { text: line.slice(1) } };
  const [, command, rest = ''] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? [];
  switch (command) {
    case undefined:
      return { do: 'send', outgoing: { text: line } };
    case 'help':
    case 'who':
    case 'quit':
      return { do: command };
    case 'history': {
      const count = rest === '' ? DEFAULT_HISTORY : Number(rest);
      if (Number.isInteger(count) && count >= 1 && count <= MOST_HISTORY) return { do: 'history', count };
      return { do: 'explain', problem: `/history takes a number, 1 to ${String(MOST_HISTORY)}` };
    }
    case 'reply':
    case 'edit':
    case 'react':
    case 'delete':
      return aboutMessage(command, rest);
    default:
      return { do: 'explain', problem: `there is no /${command}: /help tells what there is, //${command} sends it` };
  }
}

function aboutMessage(command: 'reply' | 'edit' | 'react' | 'delete', rest: string): ChatInput {
  const [, number, text = ''] = /^#?(\d+)\s*(.*)$/s.exec(rest) ?? [];
  const targetSeq = Number(number);
  if (number === undefined || !Number.isSafeInteger(targetSeq) || targetSeq === 0) {
    return { do: 'explain', problem: `/${command} needs the number of a message, like /${command} 12` };
  }
  if ((command === 'reply' || command === 'edit') && text === '') {
    return { do: 'explain', problem: `/${command} ${number} needs a text too` };
  }
  switch (command) {
    case 'reply':
      return { do: 'send', outgoing: { text, targetSeq } };
    case 'edit':
      return { do: 'send', outgoing: { edit: { text }, targetSeq } };
    case 'react':
      return { do: 'send', outgoing: { reaction: { emoji: text }, targetSeq } };
    case 'delete':
      return { do: 'send', outgoing: { delete: {}, targetSeq } };
  }
}
