/** The package ships no types. */
declare module 'wgsl-preprocessor' {
  export function wgsl(strings: TemplateStringsArray, ...values: unknown[]): string;
}
