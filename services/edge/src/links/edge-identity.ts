/** What an edge says of itself first on each of its streams. */
export interface EdgeIdentity {
  readonly edgeId: string;
  /** New at every start of the process. */
  readonly incarnation: string;
}
