package expr

import (
	"unsafe"
)

func sizeOf[T any](v T) int { return int(unsafe.Sizeof(v)) }

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// The map functions make kernels out of functions of one row, for what is not worth a loop of its own. A failed row
// gets the error. Of text results the row function appends to dst and returns it.

func map1[A, R any](f func(A) (R, error)) binder { return simple(run1(f)) }

func run1[A, R any](f func(A) (R, error)) func(c *call) {
	return func(c *call) {
		a, am := column[A](c, 0)
		r := results[R](c)
		rows := c.list()
		if rows == nil {
			for i := range c.n {
				v, err := f(a[i&am])
				if err != nil {
					c.fail(i, err)
					continue
				}
				r[i] = v
			}
		}
		for _, u := range rows {
			i := int(u)
			v, err := f(a[i&am])
			if err != nil {
				c.fail(i, err)
				continue
			}
			r[i] = v
		}
		finish(c, r)
	}
}

func map2[A, B, R any](f func(A, B) (R, error)) binder { return simple(run2(f)) }

func run2[A, B, R any](f func(A, B) (R, error)) func(c *call) {
	return func(c *call) {
		a, am := column[A](c, 0)
		b, bm := column[B](c, 1)
		r := results[R](c)
		rows := c.list()
		if rows == nil {
			for i := range c.n {
				v, err := f(a[i&am], b[i&bm])
				if err != nil {
					c.fail(i, err)
					continue
				}
				r[i] = v
			}
		}
		for _, u := range rows {
			i := int(u)
			v, err := f(a[i&am], b[i&bm])
			if err != nil {
				c.fail(i, err)
				continue
			}
			r[i] = v
		}
		finish(c, r)
	}
}

// eachRow calls f for every row of the list; for functions that cost far more than the call.
func eachRow(c *call, f func(i int) error) {
	rows := c.list()
	if rows == nil {
		for i := range c.n {
			if err := f(i); err != nil {
				c.fail(i, err)
			}
		}
	}
	for _, u := range rows {
		if err := f(int(u)); err != nil {
			c.fail(int(u), err)
		}
	}
}

func map3[A, B, C, R any](f func(A, B, C) (R, error)) binder {
	return simple(func(c *call) {
		a, am := column[A](c, 0)
		b, bm := column[B](c, 1)
		d, dm := column[C](c, 2)
		r := results[R](c)
		eachRow(c, func(i int) (err error) {
			r[i], err = f(a[i&am], b[i&bm], d[i&dm])
			return err
		})
		finish(c, r)
	})
}

func map4[A, B, C, D, R any](f func(A, B, C, D) (R, error)) binder {
	return simple(func(c *call) {
		a, am := column[A](c, 0)
		b, bm := column[B](c, 1)
		d, dm := column[C](c, 2)
		e, em := column[D](c, 3)
		r := results[R](c)
		eachRow(c, func(i int) (err error) {
			r[i], err = f(a[i&am], b[i&bm], d[i&dm], e[i&em])
			return err
		})
		finish(c, r)
	})
}

// texted runs f for every row; f appends the row's text.
func texted(c *call, f func(dst []byte, i int) ([]byte, error)) {
	w := newTextWriter(c)
	eachRow(c, func(i int) error {
		out, err := f(w.buf, i)
		if err != nil {
			w.end(i, w.buf)
			return err
		}
		w.end(i, out)
		return nil
	})
	w.done()
}

func text1[A any](f func(dst []byte, a A) ([]byte, error)) binder {
	return simple(func(c *call) {
		a, am := column[A](c, 0)
		texted(c, func(dst []byte, i int) ([]byte, error) { return f(dst, a[i&am]) })
	})
}

func text2[A, B any](f func(dst []byte, a A, b B) ([]byte, error)) binder {
	return simple(func(c *call) {
		a, am := column[A](c, 0)
		b, bm := column[B](c, 1)
		texted(c, func(dst []byte, i int) ([]byte, error) { return f(dst, a[i&am], b[i&bm]) })
	})
}

func text3[A, B, C any](f func(dst []byte, a A, b B, d C) ([]byte, error)) binder {
	return simple(func(c *call) {
		a, am := column[A](c, 0)
		b, bm := column[B](c, 1)
		d, dm := column[C](c, 2)
		texted(c, func(dst []byte, i int) ([]byte, error) { return f(dst, a[i&am], b[i&bm], d[i&dm]) })
	})
}

func text4[A, B, C, D any](f func(dst []byte, a A, b B, d C, e D) ([]byte, error)) binder {
	return simple(func(c *call) {
		a, am := column[A](c, 0)
		b, bm := column[B](c, 1)
		d, dm := column[C](c, 2)
		e, em := column[D](c, 3)
		texted(c, func(dst []byte, i int) ([]byte, error) { return f(dst, a[i&am], b[i&bm], d[i&dm], e[i&em]) })
	})
}
