import type { StreamDeclaration } from './streams.js';

/** The subject as the server knows it. */
export const subjectName = (namespace: string, subject: string): string => `${namespace}.${subject}`;

/** The stream as the server knows it. */
export const streamName = (namespace: string, { name }: Pick<StreamDeclaration, 'name'>): string =>
  `${namespace}_${name}`;
