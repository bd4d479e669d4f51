// validatorUrl: without it the page would ask a validator on the Internet.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  displayOperationId: true,
  docExpansion: "list",
});
