export function encode(text: string, options: { ecc: string; border: number }): { data: boolean[][]; size: number }
