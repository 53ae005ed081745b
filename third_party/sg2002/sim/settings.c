/* Settings from the environment, the control file and tests; and the rules that make calls fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_private.h"
#include "rules.h"

#define KEYS 64

struct setting {
	char key[32], value[512];
	bool from_file;
};

static struct setting settings[KEYS];
static struct sim_rule rules[RULES];
static struct timespec control_time;
static off_t control_size = -1;
static uint64_t polled;

const char *sim_text(const char *key, const char *otherwise)
{
	for (int i = 0; i < KEYS; i++)
		if (!strcmp(settings[i].key, key))
			return settings[i].value;
	return otherwise;
}

int64_t sim_setting(const char *key, int64_t otherwise)
{
	const char *v = sim_text(key, NULL);

	return v && *v ? strtoll(v, NULL, 0) : otherwise;
}

bool sim_listed(const char *key, const char *word)
{
	const char *v = sim_text(key, "");
	size_t n = strlen(word);

	for (const char *p = v; (p = strstr(p, word)); p += n)
		if ((p == v || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

/* "CALL:N:REST[:COUNT]": from the N-th call on, COUNT times ("*": for ever). */
static bool parse_rule(char kind, char *text, struct sim_rule *rule)
{
	char *part[4] = {0}, *save = NULL;
	int n = 0;

	*rule = (struct sim_rule){.kind = kind, .count = 1, .from = 1};
	snprintf(rule->text, sizeof rule->text, "%c%s", kind, text);
	for (char *p = strtok_r(text, ":", &save); p && n < 4; p = strtok_r(NULL, ":", &save))
		part[n++] = p;
	if (n < 1 || strlen(part[0]) >= sizeof rule->call)
		return false;
	snprintf(rule->call, sizeof rule->call, "%s", part[0]);
	if (part[1])
		rule->from = strtol(part[1], NULL, 0);
	if (kind == 'S' || kind == 'R') { /* signal=CALL:N[:COUNT], refuse=REQUEST:N[:COUNT] */
		part[3] = part[2];
		part[2] = NULL;
	}
	if (part[2])
		rule->value = strtoll(part[2], NULL, 0);
	else if (kind != 'S' && kind != 'R')
		return false;
	/* Codes are written as in the manual, 0xC0078012; the calls return them as 32-bit numbers. */
	if (kind == 'F' && rule->value > INT_MAX && rule->value <= UINT_MAX)
		rule->value = (int32_t)(uint32_t)rule->value;
	if (part[3])
		rule->count = part[3][0] == '*' ? -1 : strtol(part[3], NULL, 0);
	return rule->from > 0;
}

/* A rule that is set again unchanged keeps its call count. */
static int add_rules(char kind, const char *value)
{
	char copy[512], *save = NULL;
	struct sim_rule rule;

	for (int i = 0; i < RULES; i++)
		if (rules[i].kind == kind)
			rules[i].stale = true;
	snprintf(copy, sizeof copy, "%s", value);
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		int slot = -1;

		if (!parse_rule(kind, p, &rule))
			return -EINVAL;
		for (int i = 0; i < RULES; i++) {
			if (rules[i].kind == kind && !strcmp(rules[i].text, rule.text)) {
				rules[i].stale = false;
				slot = -2;
				break;
			}
			if (!rules[i].kind && slot < 0)
				slot = i;
		}
		if (slot >= 0)
			rules[slot] = rule;
	}
	for (int i = 0; i < RULES; i++)
		if (rules[i].kind == kind && rules[i].stale)
			rules[i].kind = 0;
	return 0;
}

static int set(const char *key, const char *value, bool from_file)
{
	struct setting *s = NULL;

	if (!*key || strlen(key) >= sizeof s->key || strlen(value) >= sizeof s->value)
		return -EINVAL;
	for (int i = 0; i < KEYS && !s; i++)
		if (!strcmp(settings[i].key, key))
			s = &settings[i];
	for (int i = 0; i < KEYS && !s; i++)
		if (!settings[i].key[0])
			s = &settings[i];
	if (!s)
		return -EINVAL;
	snprintf(s->key, sizeof s->key, "%s", key);
	snprintf(s->value, sizeof s->value, "%s", value);
	s->from_file = from_file;
	if (!strcmp(key, "fail"))
		return add_rules('F', value);
	if (!strcmp(key, "stall"))
		return add_rules('W', value);
	if (!strcmp(key, "refuse"))
		return add_rules('R', value);
	if (!strcmp(key, "signal"))
		return add_rules('S', value);
	return 0;
}

static int add(const char *text, bool from_file)
{
	char *copy = strdup(text), *save = NULL;
	int rc = 0;

	for (char *line = strtok_r(copy, ";\n", &save); line; line = strtok_r(NULL, ";\n", &save)) {
		char *eq, *end;

		while (*line == ' ' || *line == '\t')
			line++;
		for (end = line + strlen(line); end > line && (end[-1] == ' ' || end[-1] == '\r'); end--)
			end[-1] = '\0';
		if (*line == '#' || *line == '\0')
			continue;
		eq = strchr(line, '=');
		if (!eq) {
			rc = -EINVAL;
			continue;
		}
		*eq = '\0';
		if (set(line, eq + 1, from_file) < 0)
			rc = -EINVAL;
	}
	free(copy);
	if (rc < 0)
		fprintf(stderr, "maixsim: settings not understood: %s\n", text);
	return rc;
}

int sim_settings_add(const char *text) { return add(text, false); }

static void read_control(void)
{
	char path[PATH_MAX + 16], text[8192] = "";
	struct stat st;
	int fd;
	ssize_t n;

	if (sim_private())
		return;
	snprintf(path, sizeof path, "%s/control", sim_dir());
	if (stat(path, &st) < 0)
		st = (struct stat){.st_size = 0};
	if (st.st_size == control_size && st.st_mtim.tv_sec == control_time.tv_sec && st.st_mtim.tv_nsec == control_time.tv_nsec)
		return;
	control_size = st.st_size;
	control_time = st.st_mtim;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof text - 1);
		text[n > 0 ? n : 0] = '\0';
		close(fd);
	}
	for (int i = 0; i < KEYS; i++) /* a setting removed from the file is no longer set */
		if (settings[i].from_file) {
			set(settings[i].key, "", true);
			settings[i].key[0] = '\0';
		}
	add(text, true);
	sim_wake();
}

void sim_settings_load(void)
{
	const char *env = getenv("MAIXSIM_SET");

	if (env)
		add(env, false);
	read_control();
}

void sim_settings_poll(void)
{
	uint64_t now = sim_now();

	if (now < polled)
		return;
	polled = now + 20000;
	read_control();
}

struct sim_rule *sim_rule(char kind, const char *call)
{
	struct sim_rule *hit = NULL;

	for (int i = 0; i < RULES; i++) {
		struct sim_rule *r = &rules[i];

		/* (each call is looked up by name, and again with its object) */
		if (r->kind != kind || (strcmp(r->call, call) && (strcmp(r->call, "*") || strchr(call, '('))))
			continue;
		r->seen++;
		if (r->seen >= r->from && (r->count < 0 || r->seen < r->from + r->count))
			hit = r;
	}
	return hit;
}

int32_t maixsim_set(const char *text)
{
	int rc;

	sim_lock();
	rc = sim_settings_add(text);
	sim_wake();
	sim_unlock();
	return rc;
}
