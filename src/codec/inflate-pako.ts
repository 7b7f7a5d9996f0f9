/**
 * Inflates in plain JavaScript, with pako: where the kernel cannot run, and as its oracle in tests.
 *
 * @module
 */
import { zlibInflate, zlibInflateInit2, zlibInflateReset, ZStream } from "pako";
import type { Inflater } from "./inflater.ts";

/**
 * 128 KiB: pako copies its 32 KiB window out after every call, which is then a quarter of the output. Sizes from
 * 64 KiB to 1 MiB made no difference beyond noise in throughput.
 */
const OUTPUT_SIZE = 128 * 1024;

const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;

class PakoError extends Error {
  override readonly name = "InflateError";
}

export class PakoInflater implements Inflater {
  readonly #strm = new ZStream();
  readonly #output = new Uint8Array(OUTPUT_SIZE);
  #done = true;

  constructor() {
    zlibInflateInit2(this.#strm, -15);
  }

  get done(): boolean {
    return this.#done;
  }

  reset(): void {
    zlibInflateReset(this.#strm);
    this.#done = false;
  }

  inflate(bytes: Uint8Array, at: number, emit: (bytes: Uint8Array) => void): number {
    const strm = this.#strm;
    strm.input = bytes;
    strm.next_in = at;
    strm.avail_in = bytes.length - at;
    while (true) {
      strm.output = this.#output;
      strm.next_out = 0;
      strm.avail_out = OUTPUT_SIZE;
      const status = zlibInflate(strm, Z_OK);
      if (strm.next_out > 0) emit(this.#output.subarray(0, strm.next_out));
      if (status === Z_STREAM_END) {
        this.#done = true;
        break;
      }
      if (status !== Z_OK && status !== Z_BUF_ERROR) throw new PakoError(strm.msg || `status ${status}`);
      if (strm.avail_in === 0 && strm.avail_out > 0) break;
      if (status === Z_BUF_ERROR && strm.next_out === 0) break;
    }
    return strm.next_in - at;
  }
}
