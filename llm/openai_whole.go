package llm

import (
	"encoding/json"
	"strconv"
)

// commonAnswer reads the answer that comes almost always: one choice whose
// message is text, and a usage in plain numbers. ok is false for any other,
// which the whole decoder then reads; both give the same Response.
func (c openAI) commonAnswer(body []byte) (r Response, ok bool) {
	if !json.Valid(body) {
		return r, false
	}
	var had once
	ok = walkObject(body, func(key, value []byte) bool {
		switch string(key) {
		case `"id"`:
			return had.first(0) && textOrNull(value, &r.ID)
		case `"model"`:
			return had.first(1) && textOrNull(value, &r.Model)
		case `"system_fingerprint"`:
			return had.first(2) && textOrNull(value, &r.Fingerprint)
		case `"choices"`:
			return had.first(3) && oneChoice(value, &r)
		case `"usage"`:
			r.Usage = &Usage{}
			return had.first(4) && plainUsage(value, r.Usage)
		case `"error"`:
			return string(value) == "null"
		}
		return plainKey(key)
	})
	r.Raw = body
	return r, ok && had.was(3)
}

// once notes which members of an object were there: encoding/json takes the
// last of equal ones, which is left to it.
type once uint

func (o *once) first(i int) bool {
	is := !o.was(i)
	*o |= 1 << i
	return is
}

func (o *once) was(i int) bool { return *o&(1<<i) != 0 }

func textOrNull(raw []byte, to *string) (ok bool) {
	if string(raw) == "null" {
		return true
	}
	*to, ok = unquote(raw)
	return ok
}

// oneChoice reads a list of exactly one choice with index 0.
func oneChoice(raw []byte, r *Response) bool {
	n := 0
	var had once
	ok := walkArray(raw, func(choice []byte) bool {
		n++
		return n == 1 && walkObject(choice, func(key, value []byte) bool {
			switch string(key) {
			case `"message"`:
				return had.first(0) && textMessage(value, r)
			case `"index"`:
				return string(value) == "0"
			case `"finish_reason"`:
				var word string
				if !had.first(1) || !textOrNull(value, &word) {
					return false
				}
				r.Finish = openAIFinish(word)
				return true
			case `"logprobs"`, `"delta"`, `"error"`:
				return string(value) == "null"
			}
			return plainKey(key)
		})
	})
	return ok && n == 1 && had.was(0)
}

// textMessage reads a message that holds text and nothing else of note.
func textMessage(raw []byte, r *Response) bool {
	var had once
	ok := walkObject(raw, func(key, value []byte) (ok bool) {
		switch string(key) {
		case `"content"`:
			r.Text, ok = unquote(value)
			return ok && had.first(0)
		case `"role"`, `"annotations"`:
			return true
		}
		return string(value) == "null" && plainKey(key)
	})
	return ok && had.was(0)
}

// plainUsage reads a usage whose counts are plain numbers, each there once.
func plainUsage(raw []byte, u *Usage) bool {
	var had once
	return walkObject(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"prompt_tokens"`:
			return had.first(0) && plainCount(value, &u.Input)
		case `"completion_tokens"`:
			return had.first(1) && plainCount(value, &u.Output)
		case `"prompt_tokens_details"`:
			return had.first(2) && plainDetail(value, `"cached_tokens"`, &u.Cached)
		case `"completion_tokens_details"`:
			return had.first(3) && plainDetail(value, `"reasoning_tokens"`, &u.Reasoning)
		}
		return string(key) != `"prompt_cache_hit_tokens"` && plainKey(key)
	})
}

func plainDetail(raw []byte, name string, to *int) bool {
	var had once
	return string(raw) == "null" || walkObject(raw, func(key, value []byte) bool {
		if string(key) == name {
			return had.first(0) && plainCount(value, to)
		}
		return plainKey(key)
	})
}

// plainCount reads a number without sign, fraction and exponent.
func plainCount(raw []byte, to *int) bool {
	if len(raw) > 9 || len(raw) == 0 || raw[0] == '-' {
		return false
	}
	n, err := strconv.Atoi(string(raw))
	*to = n
	return err == nil
}
