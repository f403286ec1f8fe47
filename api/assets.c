/* Serves the files that the page is made of. */
#include "api/assets.h"
#include "api/resources.h"

#include <string.h>

void assets_get(struct call *call)
{
	const struct asset *asset = asset_table;

	while (asset->name != NULL && strcmp(asset->name, call->params[0]) != 0) {
		asset++;
	}
	if (asset->name == NULL) {
		call_error(call, ERR_NOT_FOUND, "the page has no file %s", call->params[0]);
		return;
	}
	request_add_header(call->request, "Cache-Control", "public, max-age=31536000, immutable");
	call_reply_packed(call, asset->type, asset->packed, asset->length);
}
