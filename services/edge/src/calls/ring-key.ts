/** By what a ring of replicas divides a call: its conversation, where it is about one, else the user who calls. */
export const ringKeyOf = (request: object, userId: string): string => {
  const conversationId = 'conversationId' in request ? request.conversationId : '';
  return typeof conversationId === 'string' && conversationId !== '' ? conversationId : userId;
};
