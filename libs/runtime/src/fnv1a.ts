/** FNV-1a, 32 bits, of ASCII: even enough to spread ids over a handful of parts. Owners are found by the ring instead. */
export const fnv1a = (text: string): number => {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
};
