import type { StreamDeclaration } from './streams.js';

/** The subject as the server knows it. */
export const subjectName = (namespace: string, subject: string): string => `${namespace}.${subject}`;

/** The stream as the server knows it. */
export const streamName = (namespace: string, { name }: Pick<StreamDeclaration, 'name'>): string =>
  `${namespace}_${name}`;

/** The span that a message belongs below (W3C trace context). */
export const TRACEPARENT_HEADER = 'traceparent';
