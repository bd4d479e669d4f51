/** tus-js-client. */
export class Upload { constructor(file: File, options: any); [name: string]: any }
