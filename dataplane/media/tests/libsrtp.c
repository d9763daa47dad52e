/* Seals or opens packets with libsrtp: libsrtp SUITE seal|open KEY, the key with its salt in hexadecimal digits. Each packet comes on
 * standard input as two bytes of length (network order) and its bytes; its result leaves on standard output alike, of length 0 if it was
 * refused. */
#include <srtp2/srtp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 4096 };

static int policy_of(const char *suite, srtp_policy_t *policy) {
    if (!strcmp(suite, "AES_CM_128_HMAC_SHA1_80")) {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
    } else if (!strcmp(suite, "AES_CM_128_HMAC_SHA1_32")) {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
    } else if (!strcmp(suite, "AES_256_CM_HMAC_SHA1_80")) {
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtcp);
    } else if (!strcmp(suite, "AEAD_AES_128_GCM")) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
    } else if (!strcmp(suite, "AEAD_AES_256_GCM")) {
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
    } else {
        return 0;
    }
    return 1;
}

int main(int count, char **words) {
    static uint32_t room[ROOM / 4];
    unsigned char *packet = (unsigned char *)room, key[64] = {0}, head[2];
    srtp_policy_t policy;
    srtp_t all;
    memset(&policy, 0, sizeof policy);
    if (count != 4 || srtp_init() != srtp_err_status_ok || !policy_of(words[1], &policy))
        return 2;
    for (size_t at = 0; at < sizeof key && sscanf(words[3] + 2 * at, "%2hhx", &key[at]) == 1; at++)
        ;
    int seals = !strcmp(words[2], "seal");
    policy.ssrc.type = seals ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key;
    policy.window_size = 1024;
    if (srtp_create(&all, &policy) != srtp_err_status_ok)
        return 3;
    while (fread(head, 1, 2, stdin) == 2) {
        int length = head[0] << 8 | head[1];
        if (length < 8 || length > ROOM - SRTP_MAX_TRAILER_LEN || fread(packet, 1, length, stdin) != (size_t)length)
            return 4;
        int report = packet[1] >= 192 && packet[1] <= 223;
        srtp_err_status_t status = seals ? (report ? srtp_protect_rtcp : srtp_protect)(all, packet, &length)
                                         : (report ? srtp_unprotect_rtcp : srtp_unprotect)(all, packet, &length);
        if (status != srtp_err_status_ok)
            length = 0;
        head[0] = length >> 8;
        head[1] = length;
        fwrite(head, 1, 2, stdout);
        fwrite(packet, 1, length, stdout);
    }
    return 0;
}
