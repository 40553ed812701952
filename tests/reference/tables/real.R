# Real trials beside the checkout:  Rscript real.R ../../../../shared   (in this folder; writes real.csv)
options(digits = 17, warn = -1)
suppressMessages({ library(emmeans); library(car) })
shared <- commandArgs(TRUE)[1]
out <- character()
put <- function(case, ...) { v <- c(...); out <<- c(out, sprintf("%s,%s,%.17g", case, names(v), v)) }
read <- function(name) read.csv(file.path(shared, "data", name), stringsAsFactors = TRUE)

d <- read("medicaldata/strep_tb.csv")
put("strep/improved", p = fisher.test(table(d$arm, d$improved))$p.value)
put("strep/radiologic", p = fisher.test(table(d$arm, d$radiologic_6m), workspace = 2e7)$p.value)
put("strep/esr", p = fisher.test(table(d$baseline_condition, d$radiologic_6m), workspace = 2e8)$p.value)
w <- wilcox.test(d$rad_num[d$arm == "Streptomycin"], d$rad_num[d$arm == "Control"], conf.int = TRUE, tol.root = 1e-12)
put("strep/rad_num", statistic = unname(w$statistic), p = w$p.value, low = w$conf.int[1], high = w$conf.int[2])
m <- mantelhaen.test(d$arm, d$improved, d$baseline_condition)
put("strep/strata", statistic = unname(m$statistic), p = m$p.value, estimate = unname(m$estimate), low = m$conf.int[1], high = m$conf.int[2])
m <- mantelhaen.test(d$arm, d$radiologic_6m, d$gender)
put("strep/association", statistic = unname(m$statistic), p = m$p.value)

d <- read("medicaldata/indo_rct.csv")
put("indo/outcome", p = fisher.test(table(d$rx, d$outcome))$p.value)
m <- mantelhaen.test(d$rx, d$outcome, d$site); put("indo/site", p = m$p.value, estimate = unname(m$estimate))
m <- mantelhaen.test(d$rx, d$outcome, d$site, exact = TRUE); put("indo/site_exact", p = m$p.value)
w <- wilcox.test(risk ~ rx, d, conf.int = TRUE, tol.root = 1e-12)
put("indo/risk", statistic = unname(w$statistic), p = w$p.value, low = w$conf.int[1], high = w$conf.int[2])
k <- kruskal.test(age ~ site, d); put("indo/age", statistic = unname(k$statistic), p = k$p.value)
fit <- lm(risk ~ rx + site + age + gender, d, contrasts = list(rx = "contr.sum", site = "contr.sum", gender = "contr.sum"))
a <- Anova(fit, type = 3); for (t in c("rx", "site", "age", "gender")) put("indo/linear", setNames(a[t, "F value"], t))
e <- summary(emmeans(fit, "rx")); put("indo/means", setNames(c(e$emmean, e$SE), c(paste0("mean", 1:2), paste0("se", 1:2))))

d <- read("medicaldata/licorice_gargle.csv")
put("licorice/cough", p = fisher.test(table(d$treat, d$extubation_cough), workspace = 2e7)$p.value)
w <- wilcox.test(d$pacu30min_throatPain[d$treat == 1], d$pacu30min_throatPain[d$treat == 0], conf.int = TRUE, tol.root = 1e-12)
put("licorice/pain", statistic = unname(w$statistic), p = w$p.value, low = w$conf.int[1], high = w$conf.int[2])
t <- t.test(preOp_calcBMI ~ treat, d); put("licorice/bmi", t = unname(t$statistic), df = unname(t$parameter), p = t$p.value)

d <- read("actg175/ACTG175.csv")
o <- oneway.test(cd420 ~ arms, d, var.equal = TRUE); put("actg/anova", f = unname(o$statistic), p = o$p.value)
o <- oneway.test(cd496 ~ arms, d); put("actg/welch", f = unname(o$statistic), df = unname(o$parameter[2]), p = o$p.value)
fit <- lm(cd420 ~ factor(arms) * gender + cd40 + age + log(wtkg), d)
put("actg/linear", setNames(c(coef(summary(fit))[, 1], coef(summary(fit))[, 2]),
  c(paste0("b", seq_along(coef(fit))), paste0("se", seq_along(coef(fit))))))
e <- summary(emmeans(lm(cd496 ~ factor(arms) + cd40 + factor(str2), d), "arms"))
put("actg/means", setNames(c(e$emmean, e$SE), c(paste0("mean", 1:4), paste0("se", 1:4))))

d <- read("medicaldata/cdystonia.csv")
b <- d[d$week == 0, c("id", "site", "twstrs")]; names(b)[3] <- "base"
f <- merge(d[d$week == 4, c("id", "site", "treat", "age", "sex", "twstrs")], b); f$change <- f$twstrs - f$base
f <- f[order(f$site, f$id), ]
f$treat <- factor(f$treat); fit <- lm(change ~ treat + factor(site) + base, f)
e <- summary(emmeans(fit, "treat")); put("cdystonia/means", setNames(c(e$emmean, e$SE), c(paste0(e$treat, "|mean"), paste0(e$treat, "|se"))))
p <- summary(contrast(emmeans(fit, "treat"), "trt.vs.ctrl", ref = 1, adjust = "none"), infer = TRUE)
put("cdystonia/difference", setNames(c(p$estimate, p$lower.CL, p$upper.CL, p$p.value),
  outer(2:3, c("estimate", "low", "high", "p"), paste, sep = "|")))
k <- kruskal.test(change ~ treat, f); put("cdystonia/kruskal", statistic = unname(k$statistic), p = k$p.value)

d <- read("longitudinal_r/respiratory_2centres.csv"); d <- d[d$visit == 4, ]
m <- mantelhaen.test(d$treat, d$outcome, d$center, correct = FALSE)
put("respiratory/center", statistic = unname(m$statistic), p = m$p.value, estimate = unname(m$estimate), low = m$conf.int[1], high = m$conf.int[2])

writeLines(c("case,quantity,value", out), "real.csv")
