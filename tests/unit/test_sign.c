/*
 * backends/sign and backends/hash: vectors computed elsewhere (the first signature is the example
 * of the Standard Webhooks specification, the others come from Python's hmac and hashlib).
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sign.h"
#include "base/clock.h"

static void check(const char *secret_text, const char *id, int64_t timestamp_s, const void *body,
		  size_t length, const char *expected)
{
	struct secret secret;
	char text[SIGN_TEXT_SIZE];

	cr_assert_eq(sign_secret_parse(secret_text, &secret, NULL), 0);
	cr_expect_str_eq(sign_message(&secret, id, timestamp_s, body, length, text), expected);
	secret_finish(&secret);
}

Test(sign, agrees_with_the_specification_and_with_python)
{
	static const char body[] = "{\"test\": 2432232314}";
	unsigned char all[256];

	for (int i = 0; i < 256; i++) {
		all[i] = (unsigned char)i;
	}
	check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
	      body, strlen(body), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	check("plain secret", "job_1_2", 0, "", 0,
	      "v1,sPlZpoGaB+wggB/o26ULkjlt5lCVPgTpoe3IEckPzgA=");
	check("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	      "kkkkkkkkkkkkkkkk",
	      "a", -1, all, sizeof(all), "v1,ZAAo9JaUpBf8zjJdXrCMzXAGsJZrvZEGQO2EvFzP6M8=");
}

Test(sign, secrets_are_decoded_only_behind_their_prefix)
{
	static const struct {
		const char *text;
		const char *bytes; /* NULL: refused */
		size_t length;
	} cases[] = {
		{"whsec_", NULL, 0},
		{"whsec_====", NULL, 0},
		{"whsec_A", NULL, 0},
		{"whsec_QQ", "A", 1},
		{"whsec_QQ==", "A", 1},
		{"whsec_QQ===", NULL, 0},
		{"whsec_QR==", NULL, 0},
		{"whsec_Q=Q=", NULL, 0},
		{"whsec_QU I", NULL, 0},
		{"whsec_QUI=", "AB", 2},
		{"whsec_QUJD", "ABC", 3},
		{"whsec_-_-_", NULL, 0},
		{"whsec_+/+/", "\373\377\277", 3},
		{"whsec_AAAA", "\0\0\0", 3},
		{"WHSEC_QUJD", "WHSEC_QUJD", 10},
		{"a", "a", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secret secret;
		struct err err;
		int rc;

		err_init(&err);
		rc = sign_secret_parse(cases[i].text, &secret, &err);
		cr_expect_eq(rc == 0, cases[i].bytes != NULL, "%s", cases[i].text);
		cr_expect_eq(err.code, rc == 0 ? ERR_OK : ERR_INVALID_FIELD);
		cr_expect_eq(secret.length, cases[i].length, "%s", cases[i].text);
		if (cases[i].length > 0 && rc == 0) {
			cr_expect_eq(memcmp(secret.bytes, cases[i].bytes, cases[i].length), 0, "%s",
				     cases[i].text);
		}
		secret_finish(&secret);
	}
}

Test(sign, headers_prove_the_message_and_its_time)
{
	static const char body[] = "{}";
	struct secret secret;
	struct sign_headers texts;
	struct fetch_header list[SIGN_HEADERS];
	char expected[SIGN_TEXT_SIZE];
	int64_t now = clock_wall_ms() / 1000, sent;

	cr_assert_eq(sign_secret_parse("hush", &secret, NULL), 0);
	sign_headers(&secret, "whk_1_7", body, strlen(body), &texts, list);
	sent = strtoll(list[1].value, NULL, 10);
	cr_expect_str_eq(list[0].name, "webhook-id");
	cr_expect_str_eq(list[0].value, "whk_1_7");
	cr_expect_str_eq(list[1].name, "webhook-timestamp");
	cr_expect(sent >= now && sent <= now + 60);
	cr_expect_str_eq(list[2].name, "webhook-signature");
	cr_expect_str_eq(list[2].value,
			 sign_message(&secret, "whk_1_7", sent, body, strlen(body), expected));
	secret_finish(&secret);
}

Test(sign, made_secrets_are_long_and_new)
{
	char made[2][SIGN_SECRET_SIZE];

	for (int i = 0; i < 2; i++) {
		struct secret secret;

		sign_secret_make(made[i]);
		cr_expect_eq(strlen(made[i]), SIGN_SECRET_SIZE - 1);
		cr_expect_eq(sign_secret_parse(made[i], &secret, NULL), 0);
		cr_expect_eq(secret.length, 32);
		secret_finish(&secret);
	}
	cr_expect_str_neq(made[0], made[1]);
}

Test(hash, sha256_in_hexadecimal)
{
	unsigned char bytes[5 * 256];
	char hex[HASH_SHA256_HEX_SIZE];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (unsigned char)i;
	}
	hash_sha256_hex("", 0, hex);
	cr_expect_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hash_sha256_hex("abc", 3, hex);
	cr_expect_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_sha256_hex(bytes, sizeof(bytes), hex);
	cr_expect_str_eq(hex, "d414b085826eb06778483ba35564dc849e643359f69ed9747878ba6e54985bed");
}
