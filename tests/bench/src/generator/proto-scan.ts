// Just enough protobuf to find the few fields that are counted, without making objects of the rest. The field numbers are
// those of proto/godwit/client/v1 and message/v1; a test compares them with the generated code.

const VARINT = 0;
const BIT64 = 1;
const BYTES = 2;
const BIT32 = 5;

/** Walks over the fields of one message. */
export class ProtoScan {
  #data: Buffer = Buffer.alloc(0);
  #position = 0;
  #end = 0;
  field = 0;
  /** Of a varint. */
  value = 0;
  /** Of a length-delimited field: its bytes. */
  start = 0;
  end = 0;

  over(data: Buffer, start: number, end: number): this {
    this.#data = data;
    this.#position = start;
    this.#end = end;
    return this;
  }

  next(): boolean {
    if (this.#position >= this.#end) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    switch (tag & 7) {
      case VARINT:
        this.value = this.#varint();
        return true;
      case BYTES: {
        const length = this.#varint();
        this.start = this.#position;
        this.end = this.#position + length;
        this.#position = this.end;
        return true;
      }
      case BIT64:
        this.#position += 8;
        return true;
      case BIT32:
        this.#position += 4;
        return true;
      default:
        throw new Error('not protobuf');
    }
  }

  text(): string {
    return this.#data.toString('latin1', this.start, this.end);
  }

  #varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#data[this.#position] ?? 0;
      this.#position += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }
}
