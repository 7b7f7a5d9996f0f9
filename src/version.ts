/** Of the package; a test compares it with package.json, which lies outside of what is built. */
export const VERSION = "0.1.0";
