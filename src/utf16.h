/* SPDX-License-Identifier: MIT
 *
 * UTF-8 to UTF-16 and back. Pure.
 */
#ifndef LTI_UTF16_H
#define LTI_UTF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes `size` bytes of valid UTF-8 (lti_utf8_valid says so) as UTF-16 with a zero unit behind it.
 * Returns the number of units without the zero, or SIZE_MAX when they and it do not fit. */
size_t lti_utf16_from_utf8(const char *text, size_t size, uint16_t *units_out, size_t capacity);

/* Writes UTF-16 as UTF-8 with a zero byte behind it; a surrogate without its partner becomes
 * U+FFFD. Returns the number of bytes without the zero, or SIZE_MAX when they and it do not fit. */
size_t lti_utf8_from_utf16(const uint16_t *units, size_t count, char *text_out, size_t capacity);

#endif
