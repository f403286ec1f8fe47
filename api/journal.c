/* Lines of the log that say what a request did, with its id. */
#include "api/journal.h"

#include <string.h>

#include "api/router.h"
#include "base/log.h"

void journal_job(const struct call *call, const char *job)
{
	static const struct {
		const char *end, *text;
	} notes[] = {
		{"/v1/jobs", "job submitted"},        {"/{id}/clone", "job submitted"},
		{"/{id}/pause", "job paused"},        {"/{id}/resume", "job resumed"},
		{"/{id}/cancel", "job cancelled"},    {"/{n}/retry", "trial retried"},
		{"/{n}/cancel", "trial given up"},    {"/{n}/exclude", "trial excluded"},
		{"/{n}/include", "trial included"},   {"/{id}/retry", "trials retried"},
		{"/{id}/exclude", "trials excluded"}, {"/{id}/include", "trials included"},
		{"/{id}/scores", "scores told"},      {"/{id}", "job edited"},
	};
	const char *path = call->route->path, *text = "job changed";

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		size_t length = strlen(notes[i].end);

		if (strlen(path) >= length &&
		    strcmp(path + strlen(path) - length, notes[i].end) == 0) {
			text = notes[i].text;
			break;
		}
	}
	log_line(LOG_INFO, strcmp(call->route->method, "DELETE") == 0 ? "job deleted" : text,
		 LOG_TEXT("job", job),
		 LOG_TEXT("trial", call->params[1][0] != '\0' ? call->params[1] : NULL),
		 LOG_TEXT("owner", call->who.owner),
		 LOG_TEXT("token", call->who.token[0] != '\0' ? call->who.token : NULL),
		 LOG_TEXT("request_id", request_id(call->request)));
}
